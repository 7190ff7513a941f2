"""dreamlab view [RUN|MESH]: in a browser, from every side."""

from __future__ import annotations

import argparse
import json
import sys

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    add_up_option,
    examples,
    set_up_messages,
)
from dreamlab.cli.tell import visible
from dreamlab.cli.watching import Watch, add_watch_options, tell_page


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "view",
        help="look at a run or a mesh in the browser",
        description="Look at a mesh, lit, as albedo, normals, clay and wireframe, or at a run: of one that "
        "is at work or was stopped the newest checkpoint, and the next as they come; of a finished one its "
        "mesh. Ctrl-C ends it. To pause and stop a run from the page, start it with `dreamlab run --view`.",
        **examples("dreamlab view", "dreamlab view 3 --port 9000", "dreamlab view chair.glb --no-browser"),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "subject",
        nargs="?",
        default="latest",
        metavar="RUN|MESH",
        help="a run's folder, name or number, or a mesh file (default: latest)",
    )
    add_up_option(parser)
    add_watch_options(parser, flag=False)
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.stopping import StopRequest
    from dreamlab.cli.subject import check_up, is_mesh_file, mesh_and_home
    from dreamlab.run.run_dir import RunDir
    from dreamlab.viewer.follow import show_mesh, show_run
    from dreamlab.viewer.window import Window

    watch = Watch(args.host, args.port, not args.no_browser)
    mesh = run = None
    if is_mesh_file(args.subject):
        surface, _, _ = mesh_and_home(args.subject, args.out, None, args.up)
        mesh, title = surface.mesh, args.subject
    else:
        run = RunDir.find(args.out, args.subject)
        config = run.config()
        check_up(args.up, config)
        title = config.prompt
    window = Window(title, watch.host, watch.port, controls=False)
    try:
        tell_page(window.url, watch, lambda text: _tell(args, window.url, text))
        with StopRequest(patient=True) as stop:
            if mesh is not None:
                show_mesh(window, mesh, title, lambda: stop.signal is not None)
            elif run is not None:
                show_run(window, run, lambda: stop.signal is not None)
    finally:
        window.close()
    return 0


def _tell(args: argparse.Namespace, url: str, text: str) -> None:
    if args.json:
        sys.stdout.write(json.dumps({"event": "viewer", "url": url, "text": text}) + "\n")
    else:
        sys.stdout.write(f"{url if args.quiet else visible(text)}\n")
    sys.stdout.flush()
