"""report.html: one offline page per run, with the model in a 3D viewer and everything that led to it.

The page holds all it needs (model, pictures, style, script) and may load nothing from anywhere: its own
content security policy forbids it.
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from dreamlab.core.errors import InputError
from dreamlab.core.files import write_atomic
from dreamlab.views.figures import figure

WIDTH, HEIGHT = 240, 110  # of a curve's picture, in its own units
MOST_POINTS = 400  # of a curve: more would not be seen


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    model: str | os.PathLike[str] | bytes,
    subtitle: str = "",
    turntable: str | os.PathLike[str] | None = None,
    facts: Mapping[str, Any] | None = None,
    score: Mapping[str, str] | None = None,
    timings: Mapping[str, float] | None = None,
    metrics: Sequence[Mapping[str, Any]] = (),
    settings: Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
) -> None:
    """Write the page.

    Args:
        title: the prompt.
        model: a GLB written by dreamlab.mesh.io.export, as a path or as bytes.
        turntable: an image that browsers show (.webp, .png, .gif).
        facts: what is worth knowing of the result: faces, silhouette_iou, watertight, ..., shown with the
            names, units and hints of dreamlab.views.figures.
        score: what a judge says of the result, by label.
        timings: seconds by phase.
        metrics: one row per logged step, with "step"; every other number becomes a curve.
        settings: the run's config, nested as it likes.
        prior: name, licence, source, ... of the model that judged the pictures.

    Raises:
        InputError: the model is no GLB, a file is missing, or the page cannot be written.
    """
    glb = model if isinstance(model, bytes) else _read(model)
    if glb[:4] != b"glTF":
        raise InputError(
            "the report's model is no GLB", expected="a file that starts with glTF", got=repr(glb[:4])
        )
    sections = []
    if turntable is not None:
        image = f'<img class="turntable" alt="The model, turning" src="{data_uri(turntable)}">'
        sections.append(_card("Turntable", image, "aside"))
    if facts:
        sections.append(_card("Result", _figures(facts)))
    if score:
        sections.append(_card("Score", _table(score)))
    if prior:
        sections.append(_card("Prior and its licence", _table(prior)))
    if timings:
        sections.append(_card(f"Time: {_duration(sum(timings.values()))}", _bars(timings)))
    curves = _curves(metrics)
    if curves:
        sections.append(_card("Metrics", f'<div class="curves">{curves}</div>', "wide"))
    if settings:
        sections.append(_card("Settings", f'<div class="scroll">{_table(_flat(settings))}</div>', "wide"))
    page = Template(page_file("report.html")).substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        style=page_file("report.css"),
        script=page_file("viewer.js") + page_file("report.js"),
        sections="\n".join(sections),
        model=base64.b64encode(glb).decode(),
    )
    write_atomic(path, page.encode())


def page_file(name: str) -> str:
    """The text of a file of views/page."""
    return (resources.files("dreamlab.views") / "page" / name).read_text("utf-8")


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read for the report", got=error.strerror or str(error)) from error


def data_uri(path: str | os.PathLike[str]) -> str:
    """An image as part of a page. InputError where it cannot be read."""
    kind = Path(path).suffix.lower().lstrip(".").replace("jpg", "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(_read(path)).decode()}"


def _card(title: str, body: str, kind: str = "") -> str:
    return f'<section class="card {kind}"><h2>{escape(title)}</h2>{body}</section>'


def _table(rows: Mapping[str, Any]) -> str:
    cells = (f"<tr><td>{escape(str(k))}</td><td>{escape(told(v))}</td></tr>" for k, v in rows.items())
    return f"<table>{''.join(cells)}</table>"


def _figures(facts: Mapping[str, Any]) -> str:
    rows = []
    for key, value in facts.items():
        name, unit, good = figure(key)
        shown = f"{told(value)} {unit}".strip()
        rows.append(f"<tr><td>{escape(name)}</td><td>{escape(shown)}</td><td>{escape(good)}</td></tr>")
    return f'<table class="figures">{"".join(rows)}</table>'


def told(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys, as `--set` takes them."""
    out: dict[str, Any] = {}
    for key, value in settings.items():
        nested = value if isinstance(value, Mapping) else None
        if nested is None and isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
            nested = {str(i): v for i, v in enumerate(value)}
        if nested is None:
            out[f"{prefix}{key}"] = (
                str(value) if isinstance(value, int) and not isinstance(value, bool) else value
            )
        else:
            out |= _flat(nested, f"{prefix}{key}.")
    return out


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def _bars(timings: Mapping[str, float]) -> str:
    longest = max([*timings.values(), 1e-9])
    rows = []
    for i, (name, seconds) in enumerate(timings.items()):
        y = i * 16
        rows.append(
            f'<text x="0" y="{y + 11}">{escape(name)}</text>'
            f'<rect x="70" y="{y + 3}" width="{max(seconds / longest * 120, 0.5):.1f}" height="9" rx="2"/>'
            f'<text x="{74 + seconds / longest * 120:.1f}" y="{y + 11}">{_duration(seconds)}</text>'
        )
    return f'<svg viewBox="0 0 {WIDTH} {16 * len(timings)}" role="img">{"".join(rows)}</svg>'


def _curves(metrics: Sequence[Mapping[str, Any]]) -> str:
    """One small line drawing for every number that the rows have at two steps or more."""
    names: dict[str, None] = {}
    for row in metrics:
        names |= {k: None for k, v in row.items() if k != "step" and _is_number(v)}
    return "".join(_curve(name, metrics) for name in names)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _curve(name: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    points = [
        (float(row.get("step", i)), float(row[name]))
        for i, row in enumerate(metrics)
        if name in row and _is_number(row[name])
    ]
    if len(points) < 2:
        return ""
    points = points[:: max(1, len(points) // MOST_POINTS)]
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    left, right, span = min(steps), max(steps), (high - low) or 1.0
    path = " ".join(
        f"{'M' if i == 0 else 'L'}{(s - left) / ((right - left) or 1) * (WIDTH - 4) + 2:.1f} "
        f"{HEIGHT - 14 - (v - low) / span * (HEIGHT - 28):.1f}"
        for i, (s, v) in enumerate(points)
    )
    called = figure(name)
    good = f"<br><small>{escape(called.good)}</small>" if called.good else ""
    return (
        f"<figure><figcaption>{escape(called.name)}: {values[-1]:.4g}{good}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(called.name, quote=True)} over steps">'
        f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT - 13}" y2="{HEIGHT - 13}"/><path d="{path}"/>'
        f'<text x="2" y="10">{high:.3g}</text><text x="2" y="{HEIGHT - 17}">{low:.3g}</text>'
        f'<text x="2" y="{HEIGHT - 3}">{left:.0f}</text>'
        f'<text x="{WIDTH - 2}" y="{HEIGHT - 3}" text-anchor="end">{right:.0f}</text></svg></figure>'
    )
