"""What a 3MF says is kept or named: units, components, colours, other models; bombs are refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import trimesh

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.geometry.color import linear_to_srgb
from dreamlab.mesh.io import threemf, threemf_xml
from dreamlab.mesh.io.load import load
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.threemf import UNITS, read_3mf
from tests.mesh.damage import damaged, refusals

CORE = 'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"'
MORE = (
    'xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02" '
    'xmlns:p="http://schemas.microsoft.com/3dmanufacturing/production/2015/06" '
    'xmlns:s="http://schemas.microsoft.com/3dmanufacturing/slice/2015/07"'
)
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Target="{{}}" Id="r" Type="{threemf.MODEL}"/></Relationships>'
)
BOX = trimesh.creation.box((2, 3, 5))
START = "3D/3dmodel.model"
MAIN = '<item objectid="1"/>'


def mesh(box: trimesh.Trimesh = BOX, style: str = "", more: str = "") -> str:
    points = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>\n' for x, y, z in box.vertices.tolist())
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}" {style}/>' for a, b, c in box.faces.tolist())
    return f"<mesh><vertices>{points}</vertices><triangles>{faces}</triangles>{more}</mesh>"


def thing(inner: str, number: object = 1, more: str = "") -> str:
    return f'<object id="{number}" type="model" {more}>{inner}</object>'


def made_of(*parts: object, number: object = 2, transform: str = "") -> str:
    moved = f'transform="{transform}"' if transform else ""
    inner = "".join(f'<component objectid="{part}" {moved}/>' for part in parts)
    return thing(f"<components>{inner}</components>", number)


def model(resources: str, build: str = MAIN, unit: str = 'unit="millimeter"', head: str = "") -> str:
    start = f'<?xml version="1.0" encoding="UTF-8"?>{head}<model {unit} {CORE} {MORE}>'
    return f"{start}<resources>{resources}</resources><build>{build}</build></model>"


def archive(
    files: str | Mapping[str, str | bytes], start: str = "/" + START, packed: int = zipfile.ZIP_DEFLATED
) -> bytes:
    files, out = {START: files} if isinstance(files, str) else files, io.BytesIO()
    with zipfile.ZipFile(out, "w", packed) as target:
        if start:
            target.writestr("_rels/.rels", RELATIONS.format(start))
        for name, text in files.items():
            target.writestr(name, text)
    return out.getvalue()


def read(tmp_path: Path, data: str | bytes) -> tuple[Part | None, list[str]]:
    path = tmp_path / "thing.3mf"
    path.write_bytes(archive(data) if isinstance(data, str) else data)
    parts, lost = read_3mf(path)
    return (parts[0] if parts else None), lost


def volume(part: Part | None) -> float:
    assert part is not None
    return float(np.linalg.det(part.vertices[part.faces]).sum() / 6)


def centre(part: Part | None) -> list[float]:
    assert part is not None
    return ((part.vertices.min(0) + part.vertices.max(0)) / 2).tolist()


# ---- what is where ----


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_units_are_millimetres(unit: str, tmp_path: Path) -> None:
    scale = {
        "micron": 1e-6,
        "millimeter": 1e-3,
        "centimeter": 0.01,
        "inch": 0.0254,
        "foot": 0.3048,
        "meter": 1.0,
    }
    part, lost = read(tmp_path, model(thing(mesh()), unit=f'unit="{unit}"'))
    assert volume(part) == pytest.approx(30 * (scale[unit] * 1000) ** 3) and not lost
    extent = load(tmp_path / "thing.3mf").vertices
    assert (extent.amax(0) - extent.amin(0)).tolist() == pytest.approx([x * scale[unit] for x in (2, 5, 3)])


def test_without_a_unit_it_is_millimetres_and_another_is_refused(tmp_path: Path) -> None:
    assert volume(read(tmp_path, model(thing(mesh()), unit=""))[0]) == pytest.approx(30)
    with pytest.raises(DamagedError, match=r"no known unit; expected micron, .*, got ell"):
        read(tmp_path, model(thing(mesh()), unit='unit="ell"'))


def test_it_reads_what_trimesh_writes(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(0.7, (1, 2, 3))
    for k in range(2):
        scene.add_geometry(BOX, transform=trimesh.transformations.translation_matrix((9 * k, 0, 1)) @ turn)
    part, _ = read(tmp_path, scene.export(file_type="3mf"))
    whole = scene.to_geometry()
    assert part is not None and volume(part) == pytest.approx(60)
    assert np.allclose([part.vertices.min(0), part.vertices.max(0)], whole.bounds, atol=1e-6)


def test_transforms_of_components_and_items_follow_each_other(tmp_path: Path) -> None:
    """Twice as wide, then moved; a quarter turn about z, then moved. Rows times matrix, as 3MF has it."""
    inner = made_of(1, transform="2 0 0 0 1 0 0 0 1 10 0 0")
    item = '<item objectid="2" transform="0 1 0 -1 0 0 0 0 1 0 0 100"/>'
    part, _ = read(tmp_path, model(thing(mesh()) + inner, item))
    assert volume(part) == pytest.approx(60) and centre(part) == pytest.approx([0, 10, 100])
    assert part is not None and np.ptp(part.vertices, axis=0).tolist() == pytest.approx([3, 4, 5])


def test_what_is_mirrored_still_looks_out(tmp_path: Path) -> None:
    colors = '<m:colorgroup id="9"><m:color color="#FF0000"/><m:color color="#00FF00"/></m:colorgroup>'
    style = 'pid="9" p1="0" p2="1" p3="1"'
    item = '<item objectid="1" transform="-1 0 0 0 1 0 0 0 1 0 0 0"/>'
    part, _ = read(tmp_path, model(colors + thing(mesh(style=style)), item))
    assert volume(part) == pytest.approx(30)
    assert part is not None and part.color is not None
    plain, _ = read(tmp_path, model(colors + thing(mesh(style=style))))
    assert plain is not None and plain.color is not None
    red = {tuple(np.round(p * [-1, 1, 1], 6)) for p in part.vertices[part.color[:, 0] == 1]}
    assert red == {tuple(np.round(p, 6)) for p in plain.vertices[plain.color[:, 0] == 1]}


def test_objects_of_other_models_of_the_archive(tmp_path: Path) -> None:
    """As slicers write them, whatever the case of the path; an item may name one too."""
    outer = thing('<components><component p:path="/3d/Objects/a%20b.model" objectid="7"/></components>', 2)
    place = 'transform="1 0 0 0 1 0 0 0 1 9 0 0"'
    build = f'<item objectid="2"/><item p:path="/3D/Objects/a b.model" objectid="7" {place}/>'
    files = {START: model(outer, build), "3D/Objects/a b.model": model(thing(mesh(), 7), "")}
    part, lost = read(tmp_path, archive(files))
    assert volume(part) == pytest.approx(60) and centre(part) == pytest.approx([4.5, 0, 0]) and not lost


@pytest.mark.parametrize(
    ("start", "name"),
    [("", START), ("/gone.model", START), ("/3d/3DMODEL.MODEL", START), ("3D/other.model", "3D/other.model"),
     ("./x/../3D/3dmodel.model", START), ("/a%20b.model", "a b.model"), ("\\3D\\3dmodel.model", START)],
)  # fmt: skip
def test_the_model_is_found_whatever_the_relations_say(start: str, name: str, tmp_path: Path) -> None:
    assert volume(read(tmp_path, archive({name: model(thing(mesh()))}, start))[0]) == pytest.approx(30)


def test_objects_that_are_not_built_are_named(tmp_path: Path) -> None:
    part, lost = read(tmp_path, model(thing(mesh()) + thing(mesh(), 5) + thing(mesh(), 6)))
    assert volume(part) == pytest.approx(30) and lost == ["2 objects that its build does not show"]


def test_without_a_build_all_objects_are_taken_once(tmp_path: Path) -> None:
    resources = thing(mesh()) + made_of(1) + thing(mesh(), 3)
    for text in (model(resources, ""), model(resources).replace(f"<build>{MAIN}</build>", "")):
        part, lost = read(tmp_path, text)
        assert volume(part) == pytest.approx(60) and lost == [
            "its build, which is empty: all of its objects are taken"
        ]


def test_twenty_thousand_items(tmp_path: Path) -> None:
    items = "".join(f'<item objectid="1" transform="1 0 0 0 1 0 0 0 1 {5 * k} 0 0"/>' for k in range(20_000))
    part, lost = read(tmp_path, model(thing(mesh()), items))
    assert volume(part) == pytest.approx(30 * 20_000) and not lost


def test_a_file_that_shows_nothing_is_said_to(tmp_path: Path) -> None:
    for text in (model("", ""), model(thing("")), model(thing("<mesh/>")), "<model/>"):
        assert read(tmp_path, text)[0] is None
        with pytest.raises(InputError, match="holds no triangles"):
            load(tmp_path / "thing.3mf")


# ---- colours ----

GROUP = (
    '<m:colorgroup id="8"><m:color color="#FF0000"/><m:color color="#00FF00"/><m:color color="#0000FFFF"/>'
    "</m:colorgroup>"
)
BASES = (
    '<basematerials id="9"><base name="a" displaycolor="#336699"/><base name="b" displaycolor="#CC0000FF"/>'
    "</basematerials>"
)


def colors(part: Part | None) -> np.ndarray:
    """Of every corner of every face, sRGB."""
    assert part is not None and part.color is not None
    return linear_to_srgb(part.color[part.faces])


def test_colours_of_triangles_and_their_corners(tmp_path: Path) -> None:
    part, lost = read(tmp_path, model(GROUP + thing(mesh(style='pid="8" p1="0" p2="1" p3="2"'))))
    assert colors(part) == pytest.approx(np.broadcast_to(np.eye(3), (12, 3, 3))) and not lost
    part, _ = read(tmp_path, model(GROUP + thing(mesh(style='pid="8" p1="1"'))))
    assert colors(part) == pytest.approx(np.broadcast_to([0.0, 1, 0], (12, 3, 3)))


def test_a_base_material_of_an_object_colours_triangles_that_have_none(tmp_path: Path) -> None:
    whole = mesh()
    one = whole.replace('v3="', 'pid="8" p1="0" v3="', 1)
    part, lost = read(tmp_path, model(BASES + GROUP + thing(one, more='pid="9" pindex="0"')))
    assert colors(part)[0] == pytest.approx(np.broadcast_to([1.0, 0, 0], (3, 3))) and not lost
    assert colors(part)[1:] == pytest.approx(np.broadcast_to([0.2, 0.4, 0.6], (11, 3, 3)))
    own = whole.replace('v3="', 'p1="1" v3="', 1)  # of the object's group
    part, _ = read(tmp_path, model(BASES + thing(own, more='pid="9" pindex="0"')))
    assert colors(part)[0] == pytest.approx(np.broadcast_to([0.8, 0, 0], (3, 3)))


def test_what_has_no_colour_beside_what_has_one_is_white(tmp_path: Path) -> None:
    red = thing(mesh(), 2, 'pid="8" pindex="0"')
    part, _ = read(tmp_path, model(GROUP + thing(mesh()) + red, MAIN + '<item objectid="2"/>'))
    assert colors(part) == pytest.approx(np.array([[[1.0, 1, 1]] * 3] * 12 + [[[1.0, 0, 0]] * 3] * 12))


@pytest.mark.parametrize(
    ("resources", "style", "lost"),
    [
        ('<m:texture2dgroup id="7" texid="6"/>', 'pid="7" p1="0" p2="1" p3="2"', ["textures"]),
        ('<m:compositematerials id="7" matid="6"/>', "", ["mixed materials"]),
        ('<m:multiproperties id="7" pids="6"/>', "", ["mixed materials"]),
        ("<s:slicestack id='7'/>", "", ["slices"]),
        ("", 'paint_color="4C"', ["colours painted in a slicer"]),
        ("", 's:mmu_segmentation="4"', ["colours painted in a slicer"]),
        (GROUP.replace("#FF0000", "#FF000080"), 'pid="8" p1="0"', ["transparency"]),
        (GROUP.replace("#FF0000", "red"), 'pid="8" p1="0"', ["colours that cannot be read"]),
        (GROUP.replace("#FF0000", "#FF00"), 'pid="8" p1="0"', ["colours that cannot be read"]),
        (GROUP, 'pid="8" p1="3"', ["colours that are not there"]),
        (GROUP, 'pid="8" p1="0" p2="-5"', ["colours that are not there"]),
        (GROUP, 'pid="8"', []),
        (GROUP, 'pid="gone" p1="0"', []),
    ],
)
def test_what_is_not_kept_is_named(resources: str, style: str, lost: list[str], tmp_path: Path) -> None:
    part, said = read(tmp_path, model(resources + thing(mesh(style=style))))
    assert volume(part) == pytest.approx(30) and said == lost


def test_lattices_are_named(tmp_path: Path) -> None:
    text = model(thing(mesh(more='<b:beamlattice xmlns:b="b"><b:beams/></b:beamlattice>')))
    assert read(tmp_path, text)[1] == ["lattices of beams"]


# ---- bombs ----


def test_components_that_double_are_refused_before_they_fill_memory(tmp_path: Path) -> None:
    doubling = "".join(made_of(k, k, number=k + 1) for k in range(1, 31))
    for inner in (mesh(), "<mesh/>"):
        with pytest.raises(InputError, match="too large; expected at most 20000000 triangles"):
            read(tmp_path, model(thing(inner) + doubling, '<item objectid="31"/>'))


def test_corners_count_as_triangles_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One face on many corners, shown many times, would fill memory as well."""
    monkeypatch.setattr(threemf, "MOST_TRIANGLES", 5000)
    points = '<vertex x="1" y="2" z="3"/>' * 2000
    inner = (
        f'<mesh><vertices>{points}</vertices><triangles><triangle v1="0" v2="1" v3="2"/></triangles></mesh>'
    )
    with pytest.raises(InputError, match="too large"):
        read(tmp_path, model(thing(inner), MAIN * 3))


@pytest.mark.parametrize("length", [1, 2, 5])
def test_an_object_that_is_made_of_itself_is_damage(length: int, tmp_path: Path) -> None:
    ring = "".join(made_of((k + 1) % length, number=k) for k in range(length))
    with pytest.raises(DamagedError, match="made of itself"):
        read(tmp_path, model(ring, '<item objectid="0"/>'))


def test_objects_in_objects_without_end_are_refused(tmp_path: Path) -> None:
    chain = "".join(made_of(k, number=k + 1) for k in range(1, 2000))
    with pytest.raises(InputError, match="objects inside each other"):
        read(tmp_path, model(thing(mesh()) + chain, '<item objectid="2000"/>'))
    part, _ = read(tmp_path, model(thing(mesh()) + chain, '<item objectid="150"/>'))
    assert volume(part) == pytest.approx(30)


def test_an_archive_that_unpacks_to_more_than_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one whose directory gives a smaller size: what comes out is counted."""
    monkeypatch.setattr(threemf, "MOST_BYTES", 3 << 20)
    data = archive(model(thing(mesh())) + "\n" * (4 << 20))
    assert len(data) < 10_000
    with pytest.raises(InputError, match="too large; expected at most"):
        read(tmp_path, data)
    two = {START: model("", '<item p:path="/b.model" objectid="1"/>') + " " * (2 << 20)}
    with pytest.raises(InputError, match="too large; expected at most"):
        read(tmp_path, archive({**two, "b.model": model(thing(mesh())) + " " * (2 << 20)}))
    lying = bytearray(data)
    at = lying.rindex(b"PK\1\2") + 24
    lying[at : at + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(DamagedError, match="damaged"):
        read(tmp_path, bytes(lying))


def test_elements_without_number_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threemf_xml, "MOST_ELEMENTS", 100)
    assert volume(read(tmp_path, model(thing(mesh()) + "<metadata/>" * 1000))[0]) == pytest.approx(30)
    with pytest.raises(InputError, match="too large; expected at most 100 elements"):
        read(tmp_path, model(thing("") * 101))


BOMB = '<!DOCTYPE model [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("before", ["", "<!--" + "x" * 5000 + "-->"], ids=["at once", "after a comment"])
def test_a_dtd_is_refused_wherever_it_stands(encoding: str, before: str, tmp_path: Path) -> None:
    """Unread: entities can unfold to anything, or name files of this machine."""
    text = model(thing(mesh(), more='partnumber="&b;"'), head=before + BOMB).replace("UTF-8", encoding)
    with pytest.raises(DamagedError, match="its XML has a DTD"):
        read(tmp_path, archive({START: text.encode(encoding)}))


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(packed: int, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="compressed in a way that 3MF does not have"):
        read(tmp_path, archive(model(thing(mesh())), packed=packed))


def test_what_is_encrypted_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive(model(thing(mesh()))))
    for mark, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.rindex(mark) + offset] |= 1
    with pytest.raises(DamagedError, match="is encrypted"):
        read(tmp_path, bytes(data))


# ---- damage ----


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('v1="3"', 'v1="8"', "not there"),
        ('v1="3"', 'v1="-1"', "not there"),
        ('v1="3"', "", "not there"),
        ('v1="3"', 'v1="99999999999999999999"', "a number cannot be read; got 99999"),
        ('v1="3"', 'v1="nan"', "a number cannot be read; got nan"),
        ('x="1.0"', 'x="one"', "a number cannot be read; got one"),
        ('objectid="1"', 'objectid="4"', "an object that is not there"),
        ('objectid="1"', 'objectid="1" transform="1 0 0 1"', "a transform has 4 numbers; expected 12"),
        (
            'objectid="1"',
            'objectid="1" transform="a 0 0 0 1 0 0 0 1 0 0 0"',
            "a number cannot be read; got a",
        ),
        ('objectid="1"', 'objectid="1" p:path="/gone.model"', "a part of it is not there; got gone.model"),
        ("</resources>", "", "its XML cannot be read"),
        ('encoding="UTF-8"', 'encoding="klingon"', "its XML cannot be read"),
        ("<resources>", "<resources>&unknown;", "its XML cannot be read"),
        ("<model", "<mode1", "its XML cannot be read"),
    ],
)
def test_damage_is_told_by_the_reader_itself(old: str, new: str, words: str, tmp_path: Path) -> None:
    text = model(thing(mesh()))
    assert old in text
    with pytest.raises(DamagedError, match=words):
        read(tmp_path, text.replace(old, new, 1))


def test_decimal_commas_are_points(tmp_path: Path) -> None:
    assert volume(read(tmp_path, model(thing(mesh())).replace('.5"', ',5"'))[0]) == pytest.approx(30)


def test_an_archive_without_a_model_or_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="holds no 3D model"):
        read(tmp_path, archive({"readme.txt": "hello"}))
    with pytest.raises(DamagedError, match="a model of it is something else; got 3dmodel"):
        read(tmp_path, "<html/>")
    for data in (b"", b"PK", b"solid", bytes(1000)):
        with pytest.raises(DamagedError, match="not a 3MF file"):
            read(tmp_path, data)


@pytest.mark.parametrize("value", ["nan", "inf", "1e300"])
def test_corners_that_are_no_place_are_damage(value: str, tmp_path: Path) -> None:
    (tmp_path / "thing.3mf").write_bytes(archive(model(thing(mesh())).replace('x="1.0"', f'x="{value}"', 1)))
    with pytest.raises(DamagedError, match=r"not finite|too far out"):
        load(tmp_path / "thing.3mf")


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    data = archive(model(thing(mesh())))
    for length in range(0, len(data), 7):
        with pytest.raises(DamagedError):
            read(tmp_path, data[:length])


def test_damaged_archives_are_read_or_refused_in_words(tmp_path: Path) -> None:
    data = archive({START: model(thing(mesh())), "3D/b.model": model(thing(mesh()))})
    assert 100 < refusals(read_3mf, tmp_path / "thing.3mf", data, 200) <= 200


def test_damaged_models_are_read_or_refused_in_words(tmp_path: Path) -> None:
    """Inside a sound archive."""
    styled = mesh(style='pid="8" p1="0" p2="1" p3="2"')
    text = model(
        GROUP + BASES + thing(styled, more='pid="9" pindex="1"') + made_of(1, 1), '<item objectid="2"/>'
    )
    path = tmp_path / "thing.3mf"

    def packed(of: Path) -> object:
        of.write_bytes(archive({START: of.read_bytes()}))
        return read_3mf(of)

    assert damaged(text.encode(), 1) != text.encode()
    assert 50 < refusals(packed, path, text.encode(), 200) < 200
