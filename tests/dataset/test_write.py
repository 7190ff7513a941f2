"""Data sets on disk: the same bytes whatever happens on the way, and plain errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.core import files as files_module
from dreamlab.core.errors import DamagedError, InputError, UnavailableError
from dreamlab.dataset.config import DatasetConfig, shared_out
from dreamlab.dataset.images import labels_png, png
from dreamlab.dataset.sources import (
    Source,
    distinct,
    of_file,
    of_folder,
    parts_by_color,
    parts_of_file,
    scaled,
)
from dreamlab.dataset.write import Begun, Progress, Remark, write_dataset
from dreamlab.mesh.io.export import write
from tests.dataset.solids import ball, box, source, two_colored

TINY = {"size": (24, 32), "views": 5, "lights": {"kind": "random"}, "background": {"kind": "gradient"}}


def config(**values) -> DatasetConfig:
    return DatasetConfig.model_validate(TINY | values)


def sources() -> list[Source]:
    return [source("box", box()), source("tower", two_colored())]


def run(out: Path, settings: DatasetConfig, subjects: Sequence[Source] | None = None, workers: int = 1):
    return list(write_dataset(settings, sources() if subjects is None else subjects, out, workers))


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


FORMATS = pytest.mark.parametrize("kind", ["nerfstudio", "blender", "coco", "bop"])


@FORMATS
def test_the_bytes_are_the_same_for_any_number_of_workers_and_after_any_break(
    tmp_path: Path, kind: str
) -> None:
    settings = config(format={"kind": kind}, objects=2, scenes=2)
    run(tmp_path / "one", settings, workers=1)
    run(tmp_path / "three", settings, workers=3)
    for views in (1, 4, 7):  # closed early, again and again
        events = write_dataset(settings, sources(), tmp_path / "broken", 2)
        list(islice((e for e in events if isinstance(e, Progress)), views % 3 + 1))
        events.close()
    before = len((tmp_path / "broken/metadata.jsonl").read_text().splitlines())
    assert 0 < before < 10
    rest = run(tmp_path / "broken", settings)
    assert len([e for e in rest if isinstance(e, Progress)]) == 10 - before
    whole = files(tmp_path / "one")
    assert whole == files(tmp_path / "three") == files(tmp_path / "broken")
    assert len(whole) > 40


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle of a view, half a line in the journal, a picture that is gone: as if unbroken."""
    write(box(), tmp_path / "box.glb")
    script = (
        "import os, sys, time; from pathlib import Path; from dreamlab.dataset import view, write\n"
        "from dreamlab.dataset.config import DatasetConfig; from dreamlab.dataset.sources import of_file\n"
        "put = view.write_atomic; left = [9]; journal = Path('out/metadata.jsonl')\n"
        "def killing(path, data, durable):\n"
        "    left[0] -= 1\n"
        "    if left[0] == 0:\n"
        "        while not (journal.exists() and journal.read_bytes().endswith(b'\\n')):\n"
        "            time.sleep(0.01)  # the first view is told of by another thread\n"
        "        path.with_name('.writing-x.png').write_bytes(data[:9])\n"
        "        os.kill(os.getpid(), 9)\n"
        "    put(path, data, durable)\n"
        "view.write_atomic = killing\n"
        "config = DatasetConfig.model_validate_json(sys.argv[1])\n"
        "list(write.write_dataset(config, [of_file(Path('box.glb'))], Path('out'), 1))\n"
    )
    root = str(Path(__file__).parent.parent.parent)
    environment = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    settings = config()
    killed = subprocess.run(
        [sys.executable, "-c", script, settings.model_dump_json()],
        cwd=tmp_path,
        env=environment,
        check=False,
        timeout=300,
    )
    assert killed.returncode == -9
    out = tmp_path / "out"
    assert len((out / "metadata.jsonl").read_text().splitlines()) == 1
    subjects = [of_file(tmp_path / "box.glb")]
    list(islice(write_dataset(settings, subjects, out, 1), 4))
    with (out / "metadata.jsonl").open("ab") as journal:
        journal.write(b'{"file_name": "ima')
    (out / "depths/000002.png").unlink()
    again = run(out, settings, subjects)
    assert [e.record.view for e in again if isinstance(e, Progress)] == [2, 3, 4]
    run(tmp_path / "whole", settings, subjects)
    assert files(out) == files(tmp_path / "whole")


def test_a_finished_data_set_is_left_as_it_is(tmp_path: Path) -> None:
    run(tmp_path, config())
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")}
    assert run(tmp_path, config()) == [Begun(10, 10)]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")} == before


def test_the_number_of_threads_is_put_back(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    try:
        run(tmp_path, config(views=1), workers=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_pictures_that_a_power_cut_has_emptied_are_written_anew(tmp_path: Path) -> None:
    run(tmp_path / "out", config())
    (tmp_path / "out/box/masks/000003.png").write_bytes(b"")
    assert [e.record.view for e in run(tmp_path / "out", config()) if isinstance(e, Progress)][:2] == [3, 4]
    run(tmp_path / "whole", config())
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_pictures_are_not_forced_onto_the_disk_one_by_one_and_indexes_are(
    tmp_path: Path, monkeypatch
) -> None:
    """Which would add tens of milliseconds to a view."""
    forced, put = [], files_module.os.fsync
    monkeypatch.setattr(files_module.os, "fsync", lambda handle: (forced.append(1), put(handle)))
    events = run(tmp_path, config(views=3), sources()[:1])
    assert len([e for e in events if isinstance(e, Progress)]) == 3
    assert len(forced) == 3  # dataset.json, metadata.jsonl, transforms.json


# ---- what is written ----


def test_depth_steps_are_rounded_and_floats_are_exact(tmp_path: Path) -> None:
    openexr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed (pip install 'dreamlab[exr]')")
    run(tmp_path, config(depth=("png", "exr"), depth_unit=0.0005, views=1), [source("ball", ball())])
    with openexr.File(str(tmp_path / "depths/000000.exr")) as file:
        exact = file.channels()["Z"].pixels
    steps = np.asarray(Image.open(tmp_path / "depths/000000.png"))
    assert steps.dtype == np.uint16 and exact.dtype == np.float32
    assert ((exact > 0) == (steps > 0)).all() and (exact > 0).any()
    assert np.abs(steps * 0.0005 - exact).max() <= 0.00025 + 1e-6
    assert np.unique(exact[exact > 0]).size > 20


def test_exr_without_its_package_names_the_extra(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(UnavailableError, match=r"pip install 'dreamlab\[exr\]', or write --depth png"):
        run(tmp_path / "out", config(depth=("exr",)))
    assert not (tmp_path / "out").exists()


def test_png_is_what_pillow_reads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in ((5, 7), (5, 7, 3), (5, 7, 4), (1, 1), (64, 1, 3)):
        image = rng.integers(0, 256, shape, np.uint8)
        path = tmp_path / "it.png"
        path.write_bytes(png(image))
        assert (np.asarray(Image.open(path)) == image).all()
    deep = rng.integers(0, 2**16, (9, 11), np.uint16)
    path.write_bytes(png(deep))
    assert (np.asarray(Image.open(path)) == deep).all() and Image.open(path).mode.startswith("I")
    turned = rng.integers(0, 256, (6, 8, 3), np.uint8).transpose(1, 0, 2)  # not contiguous
    path.write_bytes(png(turned))
    assert (np.asarray(Image.open(path)) == turned).all()


def test_labels_of_more_than_255_things_have_16_bits(tmp_path: Path) -> None:
    for most, dtype in ((255, np.uint8), (256, np.uint16)):
        (tmp_path / "it.png").write_bytes(labels_png(np.array([[0, most]])))
        read = np.asarray(Image.open(tmp_path / "it.png"))
        assert read.tolist() == [[0, most]] and read.dtype == dtype


def test_backgrounds(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for k, color in enumerate(((250, 0, 0), (0, 250, 0), (0, 0, 250))):
        Image.new("RGB", (50 + k, 40), color).save(photos / f"{k}.png")
    pictures = {
        "plain": {"kind": "color", "color": (10, 20, 30)},
        "gradient": {"kind": "gradient", "colors": ((0, 0, 0), (240, 240, 240))},
        "images": {"kind": "images", "folder": photos},
        "transparent": {"kind": "transparent"},
    }
    seen = {}
    for name, background in pictures.items():
        settings = config(background=background, views=8, lights={"kind": "none"}, buffers=("mask", "alpha"))
        run(tmp_path / name, settings, [source("box", box())])
        seen[name] = [np.asarray(Image.open(p)) for p in sorted((tmp_path / name / "images").iterdir())]
        alphas = [np.asarray(Image.open(p)) for p in sorted((tmp_path / name / "alpha").iterdir())]
        outside = [a == 0 for a in alphas]
        if name == "transparent":
            assert all((p[..., 3] == a).all() for p, a in zip(seen[name], alphas, strict=True))
            assert all((p[o] == 0).all() for p, o in zip(seen[name], outside, strict=True))
        behind = [p[o] for p, o in zip(seen[name], outside, strict=True)]
    assert (seen["plain"][0][0, 0] == [10, 20, 30]).all()
    assert seen["gradient"][0][0, 0, 0] < 10 and seen["gradient"][0][-1, 0, 0] > 230
    assert len({tuple(p[0, 0].tolist()) for p in seen["images"]}) == 3
    inside = seen["transparent"][0][..., 3] == 255
    assert (seen["plain"][0][inside] == seen["transparent"][0][inside][:, :3]).all() and len(behind) == 8


def test_splits_are_shared_out_mixed_and_the_seeds(tmp_path: Path) -> None:
    assert shared_out(10, (0.8, 0.1, 0.1)) == [8, 1, 1]
    assert shared_out(5, (0.8, 0.1, 0.1)) == [3, 1, 1]
    assert shared_out(1, (0.8, 0.1, 0.1)) == [1, 0, 0]
    assert shared_out(7, (0.5, 0.0, 0.5)) in ([4, 0, 3], [3, 0, 4])
    settings = config(views=50)
    assert settings.splits(0) == settings.splits(0) != settings.splits(1)
    assert settings.splits(0) != config(views=50, seed=1).splits(0)
    assert [settings.splits(0).count(s) for s in ("train", "val", "test")] == [40, 5, 5]


# ---- subjects ----


def test_a_folder_is_read_by_name_with_captions_and_a_broken_file_is_passed_over(
    tmp_path: Path,
) -> None:
    meshes = tmp_path / "meshes"
    (meshes / "deep").mkdir(parents=True)
    write(box(), meshes / "blue_box.glb")
    write(box((1, 2, 1)), meshes / "deep" / "blue_box.obj")
    (meshes / "broken.glb").write_bytes(b"glTF and no more")
    (meshes / "deep" / "blue_box.txt").write_text("a tall blue box\n")
    subjects = of_folder(meshes)
    assert [(s.name, s.caption) for s in distinct(subjects)] == [
        ("blue_box", "blue box"),
        ("broken", "broken"),
        ("blue_box-2", "a tall blue box"),
    ]
    events = run(tmp_path / "out", config(), subjects)
    said = [e.text for e in events if isinstance(e, Remark)]
    assert said[0].startswith("broken is left out: broken.glb") and said[1].startswith("left out: 1 of 3")
    done = [e for e in events if isinstance(e, Progress)]
    assert len(done) == 10 and done[-1].done == done[-1].total == 10
    for name in ("blue_box", "blue_box-2"):
        assert len(json.loads((tmp_path / "out" / name / "transforms.json").read_text())["frames"]) == 5
    assert not (tmp_path / "out" / "broken").exists()


def test_a_mesh_that_was_named_must_be_readable(tmp_path: Path) -> None:
    (tmp_path / "broken.glb").write_bytes(b"glTF and no more")
    with pytest.raises(DamagedError, match=r"broken\.glb"):
        run(tmp_path / "out", config(), [of_file(tmp_path / "broken.glb")])
    with pytest.raises(InputError, match="none of the meshes can be read"):
        run(tmp_path / "out2", config(), of_folder(tmp_path))


def test_a_folder_without_meshes_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no meshes; expected files ending in \.glb"):
        of_folder(tmp_path)


def test_parts_are_a_files_primitives_or_the_colours_of_its_faces(tmp_path: Path) -> None:
    from dreamlab.mesh.geometry.named_parts import NamedParts
    from dreamlab.mesh.io.load import load

    mesh = two_colored()
    by_color = parts_by_color(mesh)
    assert by_color is not None and by_color.names == ("blue", "red")
    assert by_color.labels.tolist() == [0] * 12 + [1] * 12
    assert parts_by_color(box(color=(1.0, 0.0, 0.0))) is None and parts_by_color(box()) is None
    blended = replace(mesh, colors=torch.rand(len(mesh.vertices), 3))
    assert parts_by_color(blended) is None
    write(mesh, tmp_path / "parts.glb", parts=NamedParts(by_color.labels, ("low", "high")))
    found = parts_of_file(tmp_path / "parts.glb", load(tmp_path / "parts.glb"))
    assert found is not None and found.names == ("part-1", "part-2")
    assert found.labels.tolist() == [0] * 12 + [1] * 12
    write(mesh, tmp_path / "colors.ply")
    found = parts_of_file(tmp_path / "colors.ply", load(tmp_path / "colors.ply"))
    assert found is not None and found.names == ("blue", "red")


def test_scales() -> None:
    subject = source("tower", two_colored()).load()
    assert scaled(subject, "keep") is subject
    unit, long = scaled(subject, "unit").mesh.vertices, scaled(subject, 0.3).mesh.vertices
    assert float(unit.norm(dim=1).max()) == pytest.approx(1, abs=1e-6)
    assert float((long.amax(0) - long.amin(0)).max()) == pytest.approx(0.3, abs=1e-6)
    assert torch.allclose(long.amax(0), -long.amin(0), atol=1e-6)


# ---- errors ----


def test_a_folder_of_other_settings_or_things_is_never_written_into(tmp_path: Path) -> None:
    run(tmp_path / "out", config(views=2))
    before = files(tmp_path / "out")
    with pytest.raises(InputError, match=r"settings\.fovy is 40\.0 there, 50\.0 here.*Choose another --out"):
        run(tmp_path / "out", config(views=2, fovy=50))
    with pytest.raises(InputError, match="the number of subjects is 2 there, 1 here"):
        run(tmp_path / "out", config(views=2), sources()[:1])
    with pytest.raises(InputError, match=r"subjects\.2\.digest"):
        run(tmp_path / "out", config(views=2), [sources()[0], source("tower", ball())])
    assert files(tmp_path / "out") == before
    other = tmp_path / "photos"
    other.mkdir()
    (other / "me.jpg").touch()
    with pytest.raises(InputError, match="holds other things; expected a new or empty folder"):
        run(other, config())
    with pytest.raises(InputError, match="cannot be made a data set's folder"):
        run(other / "me.jpg", config())
    (tmp_path / "out" / "dataset.json").write_text("{")
    with pytest.raises(DamagedError, match=r"dataset\.json cannot be read"):
        run(tmp_path / "out", config(views=2))


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    events = write_dataset(config(), sources(), tmp_path, 1)
    list(islice(events, 2))
    with pytest.raises(InputError, match="another process is writing"):
        run(tmp_path, config())
    events.close()
    assert len(run(tmp_path, config())) >= 8


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path: Path, monkeypatch) -> None:
    settings = config(views=3)
    real, room = Path.write_bytes, [12]

    def filling(path: Path, data: bytes) -> int:
        room[0] -= 1
        if room[0] < 0:
            real(path, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", filling)
    with pytest.raises(InputError, match="No space left on device"):
        run(tmp_path / "out", settings)
    monkeypatch.setattr(Path, "write_bytes", real)
    assert not list((tmp_path / "out").rglob(".writing-*"))
    run(tmp_path / "out", settings)
    run(tmp_path / "whole", settings)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_depth_that_16_bits_cannot_hold_is_refused_before_anything_is_rendered(tmp_path: Path) -> None:
    far = [source("hall", box((40.0, 40, 40)))]
    with pytest.raises(InputError, match=r"ends at 65\.5 m; expected room for \d+ m.*--depth-unit 0\.01m"):
        run(tmp_path / "out", config(), far)
    assert not list((tmp_path / "out").rglob("*.png"))
    run(tmp_path / "coarse", config(depth_unit=0.01, views=1), far)


def test_depth_that_is_too_coarse_is_said(tmp_path: Path) -> None:
    events = run(tmp_path, config(views=1), [source("pill", box((0.02, 0.01, 0.01)))])
    (said,) = [e.text for e in events if isinstance(e, Remark)]
    assert "only 24 steps of depth" in said and "--depth-unit 0.0001m" in said


def test_a_background_folder_without_pictures_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pictures for backgrounds"):
        run(tmp_path / "out", config(background={"kind": "images", "folder": tmp_path}))
    assert not (tmp_path / "out").exists()
    (tmp_path / "photo.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"photo\.png cannot be read as a picture"):
        run(tmp_path / "out", config(background={"kind": "images", "folder": tmp_path}))
