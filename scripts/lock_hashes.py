"""Writes hashes.txt, from which scripts/venv.sh installs: every package that dreamlab needs, at its version
of constraints.txt, with the sha256 of each file that Linux or macOS and Python 3.10 to 3.13 may be given.

    .venv/bin/python scripts/lock_hashes.py

Run it where the project is installed, after constraints.txt was changed. The files are those of the index
that pip is set to ask (index-url alone). torch is left out: which of its builds fits is for pip's settings to
choose.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
HEAD = (
    "# Written by scripts/lock_hashes.py. Sums of every file of a version that Linux or macOS may be given.\n"
)
LEFT_OUT = {"torch"}
BESIDES = {"wheel"}  # that building the project takes
ONLY_BEFORE_311 = {
    "exceptiongroup",
    "httpcore",
    "httpx",
}  # which an environment of a later Python does not show
PYTHONS = re.compile(r"py[23]|cp31[0-3]|cp3[0-9]?")
FOREIGN = ("win", "ios", "android", "emscripten", "pyodide", "wasi")


def needed(names: list[str]) -> set[str]:
    """All packages that these need, by what is installed here."""
    found: set[str] = set()
    waiting = [(Requirement(name), "") for name in names]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            for line in metadata.requires(name) or []:
                waiting += [(Requirement(line), some) for some in ("", *requirement.extras)]
    return found


def fits(file: str, version: str) -> bool:
    """Whether a file is of this version, and for a Python and a system that the scripts run on."""
    if not file.endswith(".whl"):
        return re.search(rf"-{re.escape(version)}\.(tar\.gz|zip)$", file) is not None
    try:
        _, found, _, tags = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return False
    return str(found) == version and any(
        (PYTHONS.fullmatch(tag.interpreter) or tag.abi == "abi3") and not tag.platform.startswith(FOREIGN)
        for tag in tags
    )


class Index:
    """The index that pip is set to ask, through pip itself."""

    def __init__(self) -> None:
        from pip._internal.commands.download import DownloadCommand
        from pip._internal.models.search_scope import SearchScope

        command: Any = DownloadCommand("download", "")
        self._open = command.main_context()
        self._open.__enter__()  # for as long as the script runs
        options, _ = command.parse_args([])
        finder = command._build_package_finder(options, command.get_default_session(options))
        self._collector = finder._link_collector
        self._scope = SearchScope.create([], [options.index_url], no_index=False)

    def sums(self, name: str, version: str) -> list[str]:
        """The sha256 of all files that fit, in order."""
        from pip._internal.index.collector import parse_links
        from pip._internal.models.link import Link

        found = set()
        for place in self._scope.get_index_urls_locations(name):
            page = self._collector.fetch_response(Link(place))
            for link in parse_links(page) if page is not None else ():
                if fits(link.filename, version) and not link.is_yanked and link.hash_name == "sha256":
                    found.add(link.hash)
        return sorted(found)


def pins() -> Iterator[tuple[str, str, str]]:
    """Name, version and marker of each line of constraints.txt."""
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin, _, marker = line.partition(";")
            name, _, version = pin.strip().partition("==")
            yield name, version, marker.strip()


def main() -> None:
    wanted = (needed(["dreamlab"]) | BESIDES | ONLY_BEFORE_311) - LEFT_OUT - {"dreamlab"}
    index, lines = Index(), [HEAD]
    for name, version, marker in pins():
        if canonicalize_name(name) not in wanted:
            continue
        sums = index.sums(name, version)
        if not sums:
            sys.exit(f"the index has no files of {name} {version}, or names no sums of them")
        head = f"{name}=={version}" + (f"; {marker}" if marker else "")
        lines.append(" \\\n".join([head, *(f"    --hash=sha256:{sum_}" for sum_ in sums)]) + "\n")
    (ROOT / "hashes.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
