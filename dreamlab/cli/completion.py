"""dreamlab completion SHELL: the script by which a shell completes commands, options, runs and more."""

from __future__ import annotations

import argparse
import sys

from dreamlab.cli.options import Subparsers
from dreamlab.core.extras import extra

SHELLS = ("bash", "zsh", "fish")

_INSTALL = """\
needs argcomplete: pip install 'dreamlab[completion]'. To install, once:
  bash  dreamlab completion bash > ~/.local/share/bash-completion/completions/dreamlab
        (or in ~/.bashrc: eval "$(dreamlab completion bash)")
  zsh   dreamlab completion zsh > ~/.zfunc/_dreamlab
        with `fpath+=~/.zfunc; autoload -U compinit; compinit` in ~/.zshrc
  fish  dreamlab completion fish > ~/.config/fish/completions/dreamlab.fish

Then Tab completes commands, options, runs, presets, priors, formats and names of settings:
  dreamlab resume <Tab>      dreamlab run "a fox" --set stages.shape.<Tab>
"""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "completion",
        help="the script that completes dreamlab's words in a shell",
        description="Print the script by which bash, zsh or fish complete dreamlab's words.",
        epilog=_INSTALL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.add_argument("--debug", action="store_true", help="show tracebacks and every warning")


def execute(args: argparse.Namespace) -> int:
    with extra("completion", "completion needs argcomplete", "type it out"):
        from argcomplete.shell_integration import shellcode
    sys.stdout.write(shellcode(["dreamlab"], shell=args.shell))
    return 0
