"""A run's mesh in other formats, sizes and colours for a download: `dreamlab export` in a process of its own.

A process, because exporting takes minutes and much memory, and one that takes too long can be ended.
Loads no torch here.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dreamlab.core.errors import InputError
from dreamlab.run.styles import STYLES

MOST_SECONDS = 600.0
MOST_WAITING = 4
Word = Annotated[str, Field(min_length=1, max_length=40)]


class BusyError(InputError):
    """More is asked for than is worked on at a time."""


def _known(style: str) -> str:
    if style not in STYLES:
        raise ValueError(f"a style is one of {', '.join(STYLES)}")
    return style


class ExportOptions(BaseModel):
    """What `dreamlab export` is to write; what is not said stays as the run has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formats: tuple[Literal["glb", "obj", "ply", "stl", "3mf", "usdz", "splat.ply"], ...] = Field(
        ("glb",), min_length=1, max_length=7
    )
    faces: int | None = Field(None, ge=4, le=500_000, description="the most faces")
    size: str | None = Field(None, max_length=20, description="longest side, such as 12cm; real")
    origin: Literal["keep", "centre", "base"] | None = None
    texture: int | None = Field(None, ge=0, le=4096, description="pixels of a side; 0: colours at vertices")
    texture_format: Literal["png", "jpeg", "webp"] | None = None
    style: Annotated[str, AfterValidator(_known)] | None = Field(None, json_schema_extra={"enum": [*STYLES]})
    palette: Literal["auto", "on", "off"] | None = None
    parts: Literal["materials", "meshes"] | None = None
    recolor: dict[Word, Word] = Field(
        default_factory=dict, max_length=20, description="new colours by old ones"
    )
    quads: bool = False
    compression: Literal["draco", "meshopt"] | None = None

    def arguments(self) -> list[str]:
        """As options of the command line. Values stand behind a =, so none of them is an option itself."""
        said = self.model_dump(exclude_none=True)
        values = [f"--format={','.join(dict.fromkeys(self.formats))}"]
        for name in ("faces", "size", "origin", "texture", "texture_format", "style", "palette", "parts"):
            if name in said:
                values.append(f"--{name.replace('_', '-')}={said[name]}")
        values += [f"--recolor={old}={new}" for old, new in self.recolor.items()]
        flags = ("--quads",) if self.quads else ()
        return [*values, *flags, *((f"--{self.compression}",) if self.compression else ())]


class Export(NamedTuple):
    """A file to download, a ZIP where there are several, in a folder that is gone once it is closed."""

    file: Path
    folder: tempfile.TemporaryDirectory[str]

    def close(self) -> None:
        self.folder.cleanup()


class Exporter:
    """Writes exports one at a time; a few may wait, more are refused.

    seconds: how long one may take. command: what stands for `dreamlab` in front of the arguments.
    """

    def __init__(
        self,
        seconds: float = MOST_SECONDS,
        waiting: int = MOST_WAITING,
        command: tuple[str, ...] = (sys.executable, "-m", "dreamlab"),
    ) -> None:
        self.seconds, self.waiting, self.command = seconds, waiting, command
        self._places, self._turn = 0, asyncio.Lock()

    async def write(self, run: Path, options: ExportOptions, stem: str) -> Export:
        """Write the files; who gets them closes them.

        Raises BusyError where too many wait, InputError with the command's own words where it refuses, and
        where it takes too long.
        """
        if self._places > self.waiting:
            raise BusyError(f"{self._places} exports are under way", mend="Wait for them, and ask again")
        self._places += 1
        folder = tempfile.TemporaryDirectory(prefix="dreamlab-export-", ignore_cleanup_errors=True)
        try:
            async with self._turn:
                await self._write(run, options, Path(folder.name), stem)
            return Export(await asyncio.to_thread(_one_file, Path(folder.name), stem), folder)
        except BaseException:
            folder.cleanup()
            raise
        finally:
            self._places -= 1

    async def _write(self, run: Path, options: ExportOptions, folder: Path, stem: str) -> None:
        where = (f"--to={folder}", f"--name={stem}", "--json", str(run))
        process = await asyncio.create_subprocess_exec(
            *(*self.command, "export", *options.arguments(), *where),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), self.seconds)
        except asyncio.TimeoutError:
            raise InputError(
                f"the export took longer than {self.seconds:.0f} s and was ended",
                mend="Ask for fewer faces or a smaller texture",
            ) from None
        finally:  # also where nobody waits for it any more
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise InputError(_said(out))


def _said(out: bytes) -> str:
    """The command's own line of what went wrong."""
    for line in reversed(out.decode(errors="replace").splitlines()):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") == "error":
            return str(event["message"]).rstrip(".")
    return "the export failed and did not say of what"


def _one_file(folder: Path, stem: str) -> Path:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if not files:
        raise InputError("the export wrote nothing")
    if len(files) == 1:
        return files[0]
    whole = folder / f"{stem}.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return whole
