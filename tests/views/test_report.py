from __future__ import annotations

import base64
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamlab.core.errors import InputError
from dreamlab.mesh.io.gltf import glb_bytes
from dreamlab.views.figures import EVALUATED, FIGURES, Figure, figure
from dreamlab.views.report import write_report

METRICS = [
    {"step": 10 * k, "residual": 1 / (1 + k), "opacity": 0.3, "note": "x", "bad": float("nan")}
    for k in range(900)
]


class Page(HTMLParser):
    """Tags, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "rect", "line", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data + " "


@pytest.fixture
def page(textured, tmp_path) -> str:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "t.webp")
    write_report(
        tmp_path / "report.html",
        title='a <script>alert("x")</script> & 🍄 $style',
        model=glb_bytes(textured),
        subtitle="seed 0",
        turntable=tmp_path / "t.webp",
        facts={"faces": 10000, "watertight": True, "silhouette IoU": 0.98765},
        timings={"load": 1.5, "optimise": 92.0},
        metrics=METRICS,
        settings={"seed": 0, "stages": [{"steps": 400}], "field": {"kind": "hashgrid"}},
        prior={"name": "embedded", "licence": "MIT <b>"},
    )
    return (tmp_path / "report.html").read_text("utf-8")


def test_the_page_asks_nothing_of_the_network(page: str) -> None:
    for _, attributes in Page(page).tags:
        for name in ("src", "href", "action", "poster", "data"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|@import|fetch\(|XMLHttpRequest", page)


def test_the_model_is_inside_to_the_byte(page: str, textured) -> None:
    found = re.search(r'id="model">([^<]+)<', page)
    assert found and base64.b64decode(found[1]) == glb_bytes(textured)


def test_what_the_user_wrote_is_text_and_nothing_else(page: str) -> None:
    parsed = Page(page)
    assert 'a <script>alert("x")</script> & 🍄 $style' in parsed.text
    assert "MIT <b>" in parsed.text
    assert [tag for tag, _ in parsed.tags].count("script") == 2
    assert "b" not in [tag for tag, _ in parsed.tags]


def test_settings_results_times_and_licence_are_told(page: str) -> None:
    text = " ".join(Page(page).text.split())
    for words in (
        "faces 10,000",
        "watertight yes",
        "0.9877",
        "stages.0.steps 400",
        "field.kind hashgrid",
        "1 min 34 s",
        "1 min 32 s",
        "Prior and its licence",
        "seed 0",
    ):
        assert words in text


def test_every_number_becomes_a_curve_and_nothing_else_does(page: str) -> None:
    labels = [a.get("aria-label") for tag, a in Page(page).tags if tag == "svg"]
    assert [label for label in labels if label] == [
        "residual over steps",
        "opacity, mean of the pictures over steps",
    ]
    path = next(a["d"] for tag, a in Page(page).tags if tag == "path")
    points = np.array([[float(v) for v in p.split()] for p in re.split("[ML]", path)[1:]])
    assert 2 < len(points) < 1000
    assert (np.diff(points[:, 0]) > 0).all() and (
        np.diff(points[:, 1]) >= 0
    ).all()  # falling value, growing y


def test_figures_have_a_name_a_unit_and_what_is_good(textured, tmp_path) -> None:
    facts = {"psnr_worst": 23.85, "silhouette_iou": 0.98, "of_my_own": 3}
    rows = [{"step": k, "residual": 1.0 / k} for k in (1, 2, 3)]
    write_report(tmp_path / "r.html", title="x", model=glb_bytes(textured), facts=facts, metrics=rows)
    text = " ".join(Page((tmp_path / "r.html").read_text("utf-8")).text.split())
    assert "worst view 23.85 dB good from 20" in text and "psnr" not in text
    assert "overlap 0.98 1 is the same" in text and "of_my_own 3" in text and "residual: 0.3333 falls" in text


def test_every_measure_and_metric_of_a_run_has_its_words() -> None:
    measured = "iso silhouette_iou vertices watertight faces psnr psnr_worst colors".split()
    logged = "loss opacity coverage parameter_grad_norm residual t grad_norm".split()
    assert {*measured, *logged} == FIGURES.keys() - EVALUATED.keys()
    assert figure("another") == Figure("another")


def test_a_bare_report_has_a_model_and_no_empty_boxes(textured, tmp_path) -> None:
    write_report(tmp_path / "r.html", title="x", model=glb_bytes(textured), metrics=[{"step": 0, "a": 1.0}])
    assert (tmp_path / "r.html").read_text("utf-8").count("<section") == 1


def test_a_report_without_its_parts_is_refused(textured, tmp_path) -> None:
    with pytest.raises(InputError, match="no GLB"):
        write_report(tmp_path / "r.html", title="x", model=b"PK")
    with pytest.raises(InputError, match="cannot be read"):
        write_report(tmp_path / "r.html", title="x", model=tmp_path / "gone.glb")
    with pytest.raises(InputError, match="could not write"):
        write_report(tmp_path / "no" / "r.html", title="x", model=glb_bytes(textured))
    assert list(tmp_path.iterdir()) == []


def chromium() -> str:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    return browser


def screenshot(browser: str, page: Path, folder: Path, milliseconds: int) -> np.ndarray:
    """The page [760,900,3] after so much of its own time, signed."""
    folder.mkdir()
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
         "--force-prefers-reduced-motion", "--hide-scrollbars", "--window-size=900,760",
         f"--virtual-time-budget={milliseconds}", f"--user-data-dir={folder / 'profile'}",
         f"--screenshot={folder / 's.png'}", f"file://{page}"],
        capture_output=True,
        timeout=120,
        check=True,
    )  # fmt: skip
    return np.asarray(Image.open(folder / "s.png").convert("RGB")).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["colored", "textured"])
def test_chromium_shows_the_model_in_its_colours(which: str, request, tmp_path) -> None:
    browser = chromium()
    mesh = request.getfixturevalue(which)
    write_report(tmp_path / "r.html", title="two sides", model=glb_bytes(mesh))
    red = blue = np.zeros((1, 1), bool)
    for milliseconds in (3_000, 10_000, 30_000):  # a busy machine may decode the textures late
        picture = screenshot(browser, tmp_path / "r.html", tmp_path / str(milliseconds), milliseconds)
        red = (picture[..., 0] - picture[..., 2] > 60) & (picture[..., 1] < 110)
        blue = (picture[..., 2] - picture[..., 0] > 60) & (picture[..., 1] < 130)
        blue[600:] = False  # the pressed button is blue as well
        if red.any():
            break
    assert red.sum() > 8000 and blue.sum() > 8000
    assert np.nonzero(red)[1].mean() > np.nonzero(blue)[1].mean()


LOSE = """<script>setInterval(() => {
  const gl = document.getElementById("viewer").getContext("webgl2");
  if (document.body.dataset.viewer && gl && !gl.isContextLost())
    gl.getExtension("WEBGL_lose_context").loseContext();
}, 50)</script></body>"""


@pytest.mark.slow
def test_less_motion_stops_the_turntable_and_a_lost_graphics_card_is_said(textured, tmp_path) -> None:
    browser, page = chromium(), tmp_path / "r.html"
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "t.webp", save_all=True, append_images=frames[1:], duration=100)
    write_report(page, title="x", model=glb_bytes(textured), turntable=tmp_path / "t.webp")
    page.write_text(page.read_text("utf-8").replace("</body>", LOSE), "utf-8")
    found = {}
    for motion in ("--force-prefers-reduced-motion", "--no-first-run"):
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--use-angle=swiftshader", motion, "--dump-dom",
             "--enable-unsafe-swiftshader", "--virtual-time-budget=10000",
             f"--user-data-dir={tmp_path / motion}", f"file://{page}"],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        found[motion] = done.stdout
    still, moving = (re.sub("<script.*?</script>", "", dom, flags=re.S) for dom in found.values())
    assert 'data-turntable="still"' in still and 'data-turntable="still"' not in moving
    assert "graphics card was lost" in still and "graphics card was lost" in moving
