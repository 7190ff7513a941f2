"""What a batch shows: a contact sheet, and a page with a row for every job."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dreamlab.batch.jobs import Job
from dreamlab.batch.ledger import Ledger, Row
from dreamlab.core.errors import DreamlabError
from dreamlab.core.files import atomic_path
from dreamlab.mesh.io.load import load
from dreamlab.run.folders import number_of
from dreamlab.views.contact import write_contact_sheet
from dreamlab.views.evaluation_page import Column, Page, PageRow, write_evaluation_page
from dreamlab.views.still import still_of

PAGE, SHEET, PICTURES = "index.html", "contact.webp", "pictures"
MOST_ON_SHEET = 400
_SIDE = 192
_FOVY = math.radians(40.0)
_COLUMNS = (
    Column("state", "state", words=True),
    Column("seed", "seed", words=True),
    Column("preset", "preset", words=True),
    Column("faces", "faces"),
    Column("silhouette_iou", "silhouettes"),
    Column("psnr", "PSNR"),
    Column("watertight", "watertight"),
    Column("seconds", "seconds"),
    Column("error", "why", words=True),
)


def write_picture(folder: Path, row: Row) -> Path | None:
    """A still picture of a job's mesh in `folder`/pictures, if there is a mesh; made once.

    Raises InputError where it cannot be written.
    """
    path = folder / PICTURES / f"{row.run}.webp"
    mesh = folder / row.run / row.files.get("glb", "")
    if row.state != "done" or not mesh.is_file():
        return None
    if not path.is_file():
        from PIL import Image

        around = math.radians(30.0)
        picture = still_of(load(mesh), around, 0.3, _SIDE, renderer="native", fovy=_FOVY, margin=1.05)
        path.parent.mkdir(exist_ok=True)
        with atomic_path(path, durable=False) as partial:
            Image.fromarray(picture).save(partial, quality=80)
    return path


def write_page(folder: Path, jobs: Sequence[Job], ledger: Ledger, title: str) -> dict[str, Path]:
    """The page of all jobs that have ended, and a contact sheet of those that came out well, by kind.

    The sheet has the first 400 of them, under the numbers of their runs, and is not written where there is
    none.
    """
    rows = [ledger.rows[job.key] for job in jobs if job.key in ledger.rows]
    pictures = {row.job: path for row in rows if (path := _picture(folder, row)) is not None}
    done = sum(row.state == "done" for row in rows)
    told = f"{done} of {len(jobs)} jobs are done" + (f", {len(rows) - done} failed" * (done < len(rows)))
    page = Page(title, told, _COLUMNS, [_page_row(row, pictures.get(row.job)) for row in rows])
    write_evaluation_page(folder / PAGE, page)
    written = {"page": folder / PAGE}
    shown = [row for row in rows if row.job in pictures][:MOST_ON_SHEET]
    if shown:
        written["sheet"] = folder / SHEET
        columns = min(10, max(5, math.isqrt(len(shown))))
        images = [_pixels(pictures[row.job]) for row in shown]
        captions = [f"{number_of(row.run)}: {row.prompt}" for row in shown]
        write_contact_sheet(folder / SHEET, images, captions, columns=columns)
    return written


def _picture(folder: Path, row: Row) -> Path | None:
    try:
        return write_picture(folder, row)
    except DreamlabError:  # a mesh that has been changed or taken away since: the row is there all the same
        return None


def _pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _page_row(row: Row, picture: Path | None) -> PageRow:
    seed = f"{row.seed}" if row.attempts == 1 else f"{row.seed}, then {row.used_seed}"
    words = {"state": row.state, "seed": seed, "preset": row.preset, "error": row.error}
    figures = {**row.measures, "seconds": row.seconds}
    shown = "" if picture is None else base64.b64encode(picture.read_bytes()).decode()
    link = f"{row.run}/report.html" if row.state == "done" and "glb" in row.files else ""
    return PageRow(row.run or f"line {row.line}", row.prompt, "", figures, words, shown, link)
