"""Say which files were written, as the output options ask for."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path


def tell_files(args: argparse.Namespace, files: Mapping[str, Path]) -> None:
    """One line a file; with --json one object; with --quiet bare paths."""
    if args.json:
        facts = {"event": "finished", "files": {kind: str(path) for kind, path in files.items()}}
        sys.stdout.write(json.dumps(facts) + "\n")
        return
    for kind, path in files.items():
        sys.stdout.write(f"{path}\n" if args.quiet else f"{kind:<10} {path}\n")
