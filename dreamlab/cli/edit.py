"""dreamlab edit RUN|MESH INSTRUCTION: an object changed in a word: its colours, what it is, what it has."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    examples,
    set_up_messages,
    view_mode,
)

if TYPE_CHECKING:
    from dreamlab.core.types import Mesh
    from dreamlab.run.config import RunConfig
    from dreamlab.run.instructions import Edit

PULL = 0.0  # towards the old shape, of what becomes another thing: it begins as that and may leave it
SURE = 0.3  # of the judge's noun: below it, it is asked for


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "edit",
        help="change the colours of a finished object in a word, or put something to it",
        description="Change the colours of a finished object in a word, put something to it, or turn it into "
        "another thing, as a new run; the old one stays. Its shape stays too, unless another thing is asked "
        "for.",
        **examples(
            'dreamlab edit latest "make it golden"',
            'dreamlab edit 3 "a blue mushroom" --strength 0.6',
            'dreamlab edit chair.glb "paint it blue" --was "a red chair" --mask part:red',
            'dreamlab edit mug.glb "make it wooden" --mask box:-1,0,-1,1,1,1',
            'dreamlab edit latest "a house with a blue roof" --mask auto',
            'dreamlab edit 3 "put a red hat on it"',
            'dreamlab edit latest "turn it into a pumpkin"',
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("subject", metavar="RUN|MESH", help="a finished run, or a mesh file")
    parser.add_argument(
        "prompt",
        metavar="INSTRUCTION",
        help='"make it X", "paint it X", "with spots", "add a Y", "put a Y on it", "turn it into a Y", or '
        "the new prompt itself",
    )
    parser.add_argument(
        "--was", metavar="PROMPT", help="what the object is (default: the run's prompt, or the judge's guess)"
    )
    parser.add_argument(
        "--strength", type=float, metavar="S", help="0 to 1: how far from the old colours (default: 1)"
    )
    parser.add_argument(
        "--geometry",
        choices=("auto", "frozen", "free"),
        default="auto",
        help="whether the shape may change; auto: only where another thing is asked for",
    )
    parser.add_argument(
        "--mask",
        metavar="WHERE",
        help="auto (what the prior finds), box:x0,y0,z0,x1,y1,z1 in the mesh's coordinates, part:COLOUR or "
        "off: the rest stays as it is",
    )
    parser.add_argument("--prior", metavar="WHICH", help="the 2D diffusion model; see `dreamlab priors`")
    parser.add_argument("--seed", type=int, metavar="N", help="same seed, same bytes")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    parser.add_argument(
        "--set", action="append", metavar="KEY=VALUE", help="a setting of the run, such as stages.0.steps=200"
    )
    add_runs_option(parser)
    add_output_options(parser)


class Source(NamedTuple):
    """The mesh file to edit and what it is."""

    path: Path
    mesh: Mesh
    prompt: str


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.before_after import write_before_after
    from dreamlab.cli.drive import drive
    from dreamlab.cli.edit_part import add_part
    from dreamlab.cli.tell import tell_line
    from dreamlab.mesh.io.load import load
    from dreamlab.run.begin import new_run
    from dreamlab.run.instructions import edited

    _check(args)
    source = _source(args)
    edit = edited(args.prompt, source.prompt)
    if edit.part is not None:
        return add_part(args, source, edit)
    frozen = _frozen(args, edit, source)
    config, preset = _config(args, source, edit, frozen)
    tell_line(args, "was", source.prompt)
    tell_line(args, "now", edit.prompt)
    _try_mask(args, config, source)
    chosen = {"preset": preset, "edit": {"of": args.subject, "by": args.prompt}}
    run = new_run(config, args.out, chosen=chosen)
    with run.unless_stillborn():
        if code := drive(run.config(), run, view_mode(args)):
            return code
    after = load(run.path / "mesh.glb")
    write_before_after(run.path, source.mesh, after, (source.prompt, edit.prompt))
    return 0


def _check(args: argparse.Namespace) -> None:
    """InputError for options that cannot be used."""
    from dreamlab.cli.mask_option import parse_mask
    from dreamlab.core.errors import InputError

    if args.strength is not None and not 0 <= args.strength <= 1:
        raise InputError("--strength cannot be used", expected="0 to 1", got=str(args.strength))
    parse_mask(args.mask or "off", "anything")


def _source(args: argparse.Namespace) -> Source:
    """The subject's mesh file and prompt. InputError for a run without a GLB and a mesh without faces."""
    from dreamlab.cli.subject import is_mesh_file
    from dreamlab.core.errors import InputError
    from dreamlab.mesh.geometry import topology as topo
    from dreamlab.mesh.io.load import load
    from dreamlab.run.run_dir import RunDir

    if is_mesh_file(args.subject):
        path, prompt = Path(args.subject), args.was
    else:
        run = RunDir.find(args.out, args.subject)
        path, prompt = run.path / "mesh.glb", args.was or run.config().prompt
        if not path.is_file():
            raise InputError(
                f"{run.path} has no mesh.glb yet", mend=f"Let it end: dreamlab resume {run.path}"
            )
    mesh = load(path)
    area = topo.face_normals(mesh.vertices.double().numpy(), mesh.faces.numpy())[1].sum()
    if area <= 0:
        raise InputError(f"{path.name} has no area, so that nothing can be coloured", expected="triangles")
    return Source(path, mesh, prompt or _guessed(args, mesh, path))


def _guessed(args: argparse.Namespace, mesh: Mesh, path: Path) -> str:
    """What the judge takes the mesh for, which is said. InputError where it is not sure."""
    from dreamlab.cli.tell import tell_line
    from dreamlab.core.errors import InputError
    from dreamlab.evaluate.looks import judged_views
    from dreamlab.evaluate.named_picture import name_picture
    from dreamlab.evaluate.shipped_judge import read_judge

    found = name_picture(judged_views(mesh), read_judge().judge)
    if found.sure < SURE:
        raise InputError(
            f"it is not known what {path.name} is",
            got=f"the judge's guess, {found.prompt}, with {found.sure:.0%}",
            mend=f'Say it: --was "{found.prompt}"',
        )
    tell_line(args, "guess", f"{found.prompt} ({found.sure:.0%} sure; --was says it better)")
    return found.prompt


def _frozen(args: argparse.Namespace, edit: Edit, source: Source) -> bool:
    """Whether the shape stays. InputError for what an edit cannot do."""
    from dreamlab.core.errors import InputError

    if edit.change == "part":
        raise InputError(
            "an edit takes no parts away, and adds one only where it is asked for that alone",
            expected='such as "add a hat", or another colour, material, pattern or thing',
            got=edit.prompt,
            mend=f'Make it anew: dreamlab run "{edit.prompt}"',
        )
    frozen = args.geometry == "frozen" or (args.geometry == "auto" and edit.change == "look")
    asked = [f"--{name}" for name in ("mask", "strength") if getattr(args, name) not in (None, "off")]
    if not frozen and asked:
        raise InputError(
            f"{asked[0]} is for edits of colours: what moves is not held half way",
            mend="Add --geometry frozen",
        )
    return frozen


def _try_mask(args: argparse.Namespace, config: RunConfig, source: Source) -> None:
    """Say now what is wrong with the mask, and how much a mask that finds its place takes. Raises as the
    mask's `build` or `find`."""
    from dreamlab.cli.tell import tell_line
    from dreamlab.run.machine import pick_device
    from dreamlab.run.prior_cache import build_prior
    from dreamlab.stages import RetextureStageConfig
    from dreamlab.stages.auto_mask import AutoMaskConfig

    stage = config.last(RetextureStageConfig)
    mask = None if stage is None else stage.mask
    if isinstance(mask, AutoMaskConfig):
        prior = build_prior(config.prior, pick_device(config.device))
        share = mask.find(source.mesh, prior, config.prompt).share
        tell_line(args, "mask", f"{share:.0%} of the surface may change")
    elif mask is not None:
        mask.build(source.mesh)


def _config(args: argparse.Namespace, source: Source, edit: Edit, frozen: bool) -> tuple[RunConfig, str]:
    """The settings of the new run, and its preset. Raises as `resolve`, and InputError for a mask that
    misses."""
    from dreamlab.cli.mask_option import parse_mask
    from dreamlab.cli.prior_option import prior_settings
    from dreamlab.mesh.material_words import PLAIN, finish_of
    from dreamlab.run.resolve import resolve

    settings: dict[str, Any] = {"begin": str(source.path)}
    if args.prior is not None:
        settings["prior"] = prior_settings(args.prior)
    settings |= {name: getattr(args, name) for name in ("seed", "device") if getattr(args, name) is not None}
    if frozen:
        retexture: dict[str, Any] = {"strength": 1.0 if args.strength is None else args.strength}
        if mask := parse_mask(args.mask or "off", source.prompt):
            retexture["mask"] = mask.model_dump(mode="json")
        told = PLAIN != finish_of(edit.prompt) or PLAIN != finish_of(source.prompt)
        retexture["finish"] = "words" if told and mask is None else "own"
        settings["stages"] = {"retexture": retexture}
    elif edit.change == "thing" and args.geometry == "auto" and _begins_anew(args, source):
        settings["shape"] = {"file": settings.pop("begin"), "weight": PULL}
    preset = _preset(frozen, settings)
    return resolve(edit.prompt, preset=preset, settings=settings, overrides=args.set or []), preset


def _preset(frozen: bool, settings: dict[str, Any]) -> str:
    """New colours; a new field that begins as the old shape; or the old surface, bent."""
    from dreamlab.priors.diffusers.aliases import preset_on_mesh

    if "shape" in settings:
        return "fast"
    kind = settings.get("prior", {}).get("kind", "embedded")
    return preset_on_mesh("texture" if frozen else "refine", kind)


def _begins_anew(args: argparse.Namespace, source: Source) -> bool:
    """Whether a field can begin as the inside of the mesh, and the preset is for the prior; where not, that
    is said."""
    from dreamlab.cli.tell import tell_notes
    from dreamlab.core.errors import InputError
    from dreamlab.scenes.start_shape import start_shape

    if args.prior not in (None, "embedded"):
        tell_notes(args, ["with this prior the surface is bent instead of made anew"])
        return False
    try:
        start_shape(source.mesh)
    except InputError as error:
        tell_notes(args, [f"{error.what}, so that its surface is bent instead of made anew"])
        return False
    return True
