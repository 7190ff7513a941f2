"""evaluation.json beside a run: what was measured of its mesh, so that it is measured once.

A record counts as long as mesh, prompt and judge are the same; figures by CLIP as long as the CLIP and the
prompts to choose from are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Mesh

if TYPE_CHECKING:
    from dreamlab.evaluate.clip_scores import Clip
    from dreamlab.evaluate.shipped_judge import KeptJudge

NAME = "evaluation.json"
PICTURE = 144  # pixels of the thumbnail
CLIP_VIEWS, CLIP_SIZE = 8, 224


class ClipRecord(BaseModel):
    """clip: identity of the CLIP. candidates: digest of the prompts that R-precision chose among."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: str
    candidates: str
    similarity: float
    agreement: float
    r_precision: float | None


class Evaluation(BaseModel):
    """mesh: SHA-256 of the file. judge: its identity. noun, color: each view's probabilities. picture: a WebP
    in base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["dreamlab-evaluation-1"] = "dreamlab-evaluation-1"
    mesh: str
    prompt: str
    judge: str
    figures: dict[str, float]
    words: dict[str, str]
    noun: list[list[float]]
    color: list[list[float]]
    clip: ClipRecord | None = None
    picture: str = ""

    def of(self, mesh: str, prompt: str, judge: str) -> bool:
        """Whether it still holds."""
        return (self.mesh, self.prompt, self.judge) == (mesh, prompt, judge)


def evaluation_of(mesh: Mesh, digest: str, prompt: str, judge: KeptJudge) -> Evaluation:
    """Measure a mesh. Raises InputError for one without faces."""
    from dreamlab.evaluate.score import score_mesh

    score = score_mesh(mesh, prompt, judge.judge)
    assert score.noun is not None and score.color is not None
    return Evaluation(
        mesh=digest,
        prompt=prompt,
        judge=judge.identity,
        figures={name: round(value, 6) for name, value in score.figures.items()},
        words=score.words,
        noun=_rounded(score.noun.tolist()),
        color=_rounded(score.color.tolist()),
        picture=thumbnail(mesh),
    )


def clip_record(mesh: Mesh, prompt: str, clip: Clip, candidates: Sequence[str]) -> ClipRecord:
    """Similarity with the prompt, mean over CLIP_VIEWS lit views on white; agreement, the mean similarity of
    neighbouring views; R-precision among the candidates, None where there are fewer than two."""
    import math

    import torch

    from dreamlab.evaluate.prompt_list import plain
    from dreamlab.evaluate.retrieval import r_precision
    from dreamlab.views.render import framed, render_mesh
    from dreamlab.views.turntable import turntable_cameras

    cameras = turntable_cameras(CLIP_VIEWS, CLIP_SIZE, math.radians(17))
    images = clip.images(render_mesh(framed(mesh), cameras, "lit", renderer="native"))
    choices = list(candidates)
    own = next((k for k, other in enumerate(choices) if plain(other) == plain(prompt)), len(choices))
    scores = images @ clip.texts([*choices[:own], prompt, *choices[own + 1 :]]).T
    return ClipRecord(
        clip=clip.identity,
        candidates=digest_of(candidates),
        similarity=round(float(scores[:, own].mean()), 6),
        agreement=round(float(torch.einsum("ij,ij->i", images, images.roll(1, 0)).mean()), 6),
        r_precision=round(r_precision(scores, own), 6) if scores.shape[1] > 1 else None,
    )


def thumbnail(mesh: Mesh) -> str:
    """A lit picture as WebP in base64."""
    import math

    from PIL import Image

    from dreamlab.views.still import still_of

    picture = still_of(mesh, math.radians(30), math.radians(17), PICTURE, renderer="native")
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "webp", quality=80)
    return base64.b64encode(buffer.getvalue()).decode()


def read_evaluation(path: Path) -> Evaluation | None:
    """The record at a path; None where there is none. Raises DamagedError for a file that holds no such
    record, also one of another version."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path} cannot be read", got=str(error)) from error
    try:
        return Evaluation.model_validate_json(text)
    except ValidationError as error:
        got = error.errors(include_url=False)[0]["msg"]
        raise DamagedError(f"{path} is no evaluation of this version", got=got) from error


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Raises InputError where it cannot be written."""
    text = json.dumps(evaluation.model_dump(mode="json"), separators=(",", ":"))
    write_atomic(path, (text + "\n").encode(), durable=False)


def digest_of_file(path: Path) -> str:
    """SHA-256. Raises InputError for a file that cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read", got=error.strerror or str(error)) from error


def digest_of(prompts: Sequence[str]) -> str:
    return sha256("\n".join(prompts).encode()).hexdigest()[:16]


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[round(value, 4) for value in row] for row in rows]
