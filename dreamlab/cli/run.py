"""dreamlab run [PROMPT]: from a prompt, pictures or both to files."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    add_shape_option,
    examples,
    formats_in,
    set_up_messages,
    view_mode,
)
from dreamlab.cli.watching import add_watch_options, chosen_watch
from dreamlab.core.errors import DreamlabError
from dreamlab.run.presets import preset_names
from dreamlab.run.styles import STYLES, stages_of

if TYPE_CHECKING:
    from dreamlab.cli.defaults import Chosen


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "run",
        help="make a mesh from a prompt",
        description="Make a mesh from a prompt, from pictures, or from both.",
        **examples(
            'dreamlab run "a red mushroom" --preset fast',
            'dreamlab run --image duck.png@30 "a yellow duck" --set stages.shape.steps=300 --seed 7',
            'dreamlab run "a red chair" --from chair.glb --size 0.9m --view',
            'dreamlab run "a much taller castle" --shape blocks.glb --style voxel --dry-run',
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "prompt",
        metavar="PROMPT",
        nargs="?",
        help='what to make, such as "a red mushroom"; may be left out beside an --image',
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="FILE[@AZIMUTH[,ELEVATION]]",
        help="pictures of what is made, each with its camera in degrees (0 the front, 90 the side on +X); "
        "may be given again",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"one of {', '.join(preset_names())} (default: the one that suits the prior)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML settings on top of the preset")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting, such as stages.0.steps=200",
    )
    parser.add_argument("--prior", metavar="WHICH", help="the 2D diffusion model; see `dreamlab priors`")
    parser.add_argument(
        "--lora",
        action="append",
        metavar="FILE[:SCALE]",
        help="adaptations, merged into the weights in this order; may be given again",
    )
    parser.add_argument(
        "--vram", type=int, choices=(6, 8, 12, 24), help="make the prior fit this much memory, in GB"
    )
    parser.add_argument("--negative", metavar="PROMPT", help="what to keep away from")
    parser.add_argument(
        "--expand",
        choices=("auto", "full", "off"),
        help="what is added to a bare prompt before the embedded prior hears it; auto: a colour; "
        "full: details too",
    )
    parser.add_argument(
        "--from",
        dest="begin",
        metavar="RUN|MESH",
        help="a run whose object to begin with, or a mesh file to refine (by the preset refine)",
    )
    parser.add_argument(
        "--shape",
        metavar="MESH",
        help="a rough shape to begin as, such as a few boxes: a closed mesh, which the object is kept near",
    )
    parser.add_argument(
        "--shape-weight",
        type=float,
        metavar="W",
        help="how strictly it is kept, outside of a rim around its surface (default: 2000; 0: not at all)",
    )
    parser.add_argument(
        "--keep",
        choices=("shape", "colours"),
        metavar="WHAT",
        help="with --from: shape (new colours on the same surface) or colours (the surface alone moves)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="same seed, same bytes")
    parser.add_argument(
        "--variations",
        type=int,
        metavar="N",
        help="as many objects with seeds that follow each other, as a batch in variations/ of --out, with a "
        "numbered sheet",
    )
    parser.add_argument(
        "--pick", type=int, metavar="N", help="go on with this one of the prompt's variations, as --from does"
    )
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    parser.add_argument("--export", metavar="LIST", help="mesh formats, one file each, such as glb,obj,stl")
    parser.add_argument("--size", metavar="LENGTH", help="longest side, such as 0.3m, 30cm or 12in, or real")
    add_shape_option(parser)
    parser.add_argument(
        "--style",
        choices=STYLES,
        metavar="NAME",
        help=f"one of {', '.join(STYLES)}, on top of any preset",
    )
    add_runs_option(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the resolved settings and what they would cost, and stop",
    )
    add_watch_options(parser, flag=True)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.config import told_defaults
    from dreamlab.cli.defaults import chosen_defaults, settings_of
    from dreamlab.run.resolve import resolve

    chosen = chosen_defaults()
    for option in chosen.keys() & {"preset", "prior", "device", "expand", "formats"}:
        if getattr(args, "export" if option == "formats" else option) is not None:
            del chosen[option]
    with _as_planned(args, "prior" in chosen):
        settings, defaults = _settings(args), settings_of(chosen)
    prompt, said = _prompt(args)
    preset = args.preset or _preset(settings, defaults, chosen)
    formats = chosen["formats"].value if "formats" in chosen else None
    if args.variations is not None:
        from dreamlab.batch.jobs import Recipe
        from dreamlab.cli.variations import make_variations

        args.prompt = prompt
        return make_variations(
            args, Recipe(preset, defaults, formats, args.config, settings, tuple(args.set)), said
        )
    config = resolve(
        prompt,
        preset=preset,
        defaults=defaults,
        formats=formats,
        file=args.config,
        settings=settings,
        overrides=args.set,
    )
    told = told_defaults(chosen)
    if args.dry_run:
        from dreamlab.cli.dry_run import show
        from dreamlab.run.expansion import with_expansion

        with suppress(DreamlabError):  # it says itself what is wrong with weights that cannot be read
            config = with_expansion(config)
        return show(config, as_json=args.json, preset=preset, defaults=told)
    from dreamlab.cli.drive import drive
    from dreamlab.run.begin import new_run

    watch = chosen_watch(args)
    run = new_run(config, args.out, chosen={"preset": preset, "defaults": told}, said=said)
    with run.unless_stillborn():
        return drive(run.config(), run, view_mode(args), watch=watch)


def _prompt(args: argparse.Namespace) -> tuple[str | None, list[str]]:
    """The prompt, or what the first picture suggests, and a line that says so. One of the config file counts
    where there is no picture."""
    from dreamlab.core.errors import InputError

    if args.prompt is not None:
        return args.prompt, []
    if args.image:
        from dreamlab.pictures.config import ImageConfig
        from dreamlab.pictures.option import image_settings
        from dreamlab.run.pictures import suggested_prompt

        found = suggested_prompt(ImageConfig.model_validate(image_settings(args.image[0])))
        return found.prompt, [found.line]
    if args.config is None:
        mend = 'Say in a few words what to make: dreamlab run "a red mushroom"'
        raise InputError("nothing says what to make", expected="a PROMPT, an --image, or both", mend=mend)
    return None, []


def _as_planned(args: argparse.Namespace, prior: bool) -> AbstractContextManager[None]:
    """A dry run looks at a prior without asking the hub for it."""
    if not args.dry_run or not (prior or args.prior is not None):
        return nullcontext()
    from dreamlab.cli.dry_run import without_hub

    return without_hub()


def _preset(settings: dict[str, Any], defaults: dict[str, Any], chosen: dict[str, Chosen]) -> str:
    """Which preset to take where the command line names none: the user's, unless a prior or mesh that it
    does name asks for another."""
    usual = _preset_for(defaults | settings)
    if "preset" in chosen and usual == _preset_for(defaults):
        return chosen["preset"].value
    chosen.pop("preset", None)
    return usual


def _preset_for(settings: dict[str, Any]) -> str:
    """What suits: the default one is for the embedded prior alone."""
    begin = settings.get("begin")
    prior = settings.get("prior", {})
    kind = prior.get("kind", "embedded")
    from dreamlab.priors.diffusers.aliases import preset_on_mesh, usual_preset

    if begin is not None and Path(begin).is_file():
        return preset_on_mesh("refine", kind)
    return "default" if kind == "embedded" else usual_preset(kind, prior.get("model", ""))


def _begin(subject: str, runs: Path) -> str:
    """A mesh file as it is; a run's number or name as its folder, also as FOLDER#NUMBER."""
    from dreamlab.core.errors import InputError
    from dreamlab.run.run_dir import RunDir

    folder, _, number = subject.rpartition("#")
    if number.isdecimal() and folder and Path(folder).is_dir():
        return str(RunDir.find(Path(folder), number).path)
    if Path(subject).is_file():
        return subject
    if Path(subject).suffix and not Path(subject).is_dir():
        raise InputError(f"--from {subject}: there is no such file")
    return str(RunDir.find(runs, subject).path)


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The options as plain settings."""
    from dreamlab.cli.prior_option import lora_settings, prior_settings

    if args.pick is not None:
        from dreamlab.cli.variations import picked

        args.begin = picked(args)
    settings: dict[str, Any] = {}
    if args.prior is not None:
        settings["prior"] = prior_settings(args.prior)
    if args.lora:
        settings.setdefault("prior", {})["lora"] = [lora_settings(text) for text in args.lora]
    if args.vram is not None:
        settings.setdefault("prior", {})["vram"] = args.vram
    if args.negative is not None:
        settings["negative_prompt"] = args.negative
    if args.expand is not None:
        settings["expand"] = args.expand
    if args.image:
        from dreamlab.pictures.option import image_settings

        settings["images"] = [image_settings(text) for text in args.image]
    if args.begin is not None:
        settings["begin"] = _begin(args.begin, args.out)
    if args.keep is not None:
        from dreamlab.cli.variations import kept

        settings |= kept(args.keep, settings.get("begin"))
    if args.shape is not None:
        settings["shape"] = {"file": args.shape}
    if args.shape_weight is not None:
        settings.setdefault("shape", {})["weight"] = args.shape_weight
    if args.seed is not None:
        settings["seed"] = args.seed
    if args.device is not None:
        settings["device"] = args.device
    if args.style is not None:
        settings.setdefault("stages", {}).update(stages_of(args.style))
    if args.export is not None:
        settings.setdefault("stages", {})["export"] = {"formats": formats_in(args.export)}
    if args.size is not None:
        settings.setdefault("stages", {}).setdefault("export", {})["size"] = args.size
    if args.bbox is not None:
        settings.setdefault("stages", {}).setdefault("export", {})["bbox"] = args.bbox
    return settings
