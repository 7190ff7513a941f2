"""Where `dreamlab export` writes: a folder or a file, and never over what it reads."""

from __future__ import annotations

import logging
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from dreamlab.cli.options import formats_in
from dreamlab.core.errors import InputError

log = logging.getLogger(__name__)

WRITTEN = (".glb", ".obj", ".ply", ".stl", ".3mf", ".usdz", ".splat.ply")  # without torch; a test compares
OTHERS = (
    ".gltf", ".off", ".fbx", ".dae", ".blend", ".usd", ".usda", ".usdc", ".abc", ".step", ".stp", ".x3d",
    ".wrl", ".png", ".jpg", ".jpeg", ".webp", ".mp4", ".zip", ".json",
)  # fmt: skip
"""Suffixes that are taken for those of files, not for the end of a folder's name."""


@dataclass(frozen=True)
class Destination:
    """The folder and the name without suffix, where they were asked for, and the formats."""

    folder: Path | None
    name: str | None
    formats: tuple[str, ...]

    def make_folder(self) -> None:
        """Make the folder if it is not there. InputError if it cannot be."""
        try:
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"--to {self.folder} cannot be made", got=reason) from error

    def beside(self, source: Path, folder: Path, stem: str) -> str:
        """A name under which nothing is written over the source, its materials or its textures, and over no
        other file either unless the name was asked for.

        InputError where the name was asked for and is a source's; another name, which is said, where one
        that was not asked for is taken.
        """
        from dreamlab.mesh.io.sources import files_of, same_file

        files = files_of(source)
        hits = (same_file(target, files) for target in self._targets(folder, stem))
        own = next((file for file in hits if file is not None), None)
        if self.name is not None:
            if own is not None:
                raise InputError(
                    f"{own} would be replaced, which {source.name} is read from",
                    mend="Choose another --name or --to",
                )
            return stem
        other, tries = stem, 0
        while any(os.path.lexists(target) for target in self._targets(folder, other)):
            tries += 1
            other = f"{stem}-export" if tries == 1 else f"{stem}-export-{tries}"
        if tries:
            taken = own or next(t for t in self._targets(folder, stem) if os.path.lexists(t))
            option = f"--name{'=' if stem.startswith('-') else ' '}{shlex.quote(stem)}"
            hint = "" if own else f" ({option} replaces it)"
            log.warning("%s is left as it is: what is made now is called %s%s", taken, other, hint)
        return other

    def _targets(self, folder: Path, stem: str) -> list[Path]:
        """Every file that may be written under a name."""
        from dreamlab.mesh.io.export import targets

        return [target for kind in self.formats for target in targets(folder / f"{stem}.{kind}")]


def destination(to: str | None, formats: str | None, name: str | None) -> Destination:
    """What --to, --format and --name ask for.

    InputError for a file whose format is not written, or which is not that of --format, and for two names.
    """
    asked = None if formats is None else tuple(dict.fromkeys(_formats(formats)))
    if name is not None and (Path(name).name != name or name in ("", ".", "..")):
        raise InputError("--name cannot be used", expected="a file name without folders", got=name)
    if to is None or to.endswith("/") or Path(to).is_dir():
        return Destination(None if to is None else Path(to), name, asked or ("glb",))
    path = Path(to)
    kind = next((k for k in reversed(WRITTEN) if path.name.lower().endswith(k)), None)
    if kind is None:
        if path.suffix.lower() in OTHERS:
            expected = "a folder, or a name ending in " + ", ".join(WRITTEN)
            raise InputError(f"cannot write {path.name}", expected=expected, got=path.suffix)
        return Destination(path, name, asked or ("glb",))
    if path.name.lower() == kind:
        raise InputError(f"--to {to} has no name", expected=f"such as chair{kind}")
    if name is not None:
        raise InputError(f"--to {path.name} is a name already", mend="Take --name away")
    if asked not in (None, (kind[1:],)):
        raise InputError(
            f"--to {path.name} is one file of one format",
            expected=f"--format {kind[1:]}",
            got=formats or "",
            mend="Give a folder, or take --format away",
        )
    return Destination(path.parent, path.name[: -len(kind)], (kind[1:],))


def _formats(text: str) -> list[str]:
    return [name.lower() for name in formats_in(text)]
