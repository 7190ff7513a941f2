"""The app's pages in a browser: what people see, press and hear of."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from dreamlab.app.library import Library
from dreamlab.mesh.io.gltf import GlbObject, glb_scene
from dreamlab.run.begin import new_run
from dreamlab.run.resolve import resolve
from dreamlab.run.trash import empty, trashed
from dreamlab.server.store import Store
from tests.app.browser import Page, browsing, chromium
from tests.app.shop import ball, client, make_shown_run, served
from tests.cli.shelf import make_run
from tests.test_pictures_run import ball_picture

EVIL = '<img src=x onerror="document.title=1">'
AXE = "DREAMLAB_AXE"
FRESH = count()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs, one with a prompt that would like to be HTML, one that has failed."""
    root = tmp_path_factory.mktemp("shop") / "outputs"
    make_shown_run(root, "a red ball", (0.9, 0.1, 0.1))
    make_shown_run(root, "a blue ball", (0.1, 0.1, 0.9))
    make_shown_run(root, EVIL, (0.1, 0.9, 0.1))
    make_run(root, "a lost cat", finished=False, steps=3, failed=f"no room {EVIL}")
    return root


@pytest.fixture(scope="module")
def address(root: Path, browser: Page) -> Iterator[str]:
    with served(root) as address:
        yield address


@pytest.fixture
def page(browser: Page, address: str) -> Iterator[Page]:
    """At home, as wide as a desk; no page may complain or ask for anything elsewhere."""
    browser.look_like(1280, 900)
    browser.errors.clear()
    browser.requests.clear()
    browser.go(f"{address}/?{next(FRESH)}")  # another address, so that nothing is left of the test before
    browser.until(
        "document.querySelectorAll('.run').length >= 4 && document.querySelector('#hint .chip') !== null"
    )
    yield browser
    assert browser.errors == []
    assert [
        url for url in browser.requests if not url.startswith((address, "blob:", "about:", "data:"))
    ] == []


def runs(page: Page) -> list[str]:
    return page.run("[...document.querySelectorAll('.run .prompt')].map((each) => each.textContent)")


def home(page: Page) -> None:
    page.run("location.hash = '#/'")
    page.until("document.querySelector('.home .run') !== null")


def test_what_people_wrote_is_shown_as_they_wrote_it(page: Page) -> None:
    assert runs(page) == ["a lost cat", EVIL, "a blue ball", "a red ball"]
    page.run("location.hash = '#/run/0004-a-lost-cat'")
    page.until("document.querySelector('main h1')?.textContent === 'a lost cat'")
    assert f"failed: no room {EVIL}" in page.run("document.querySelector('main').innerText")
    page.run("location.hash = '#/run/%3Cimg%20src=x%20onerror=alert(1)%3E'")
    page.until("document.querySelector('main .empty') !== null")
    assert (
        page.run("document.querySelectorAll('img[src=x]').length") == 0 and page.run("document.title") != "1"
    )
    page.errors[:] = [each for each in page.errors if "404" not in each]  # that run is not there


def test_a_search_shows_what_has_all_its_words(page: Page) -> None:
    page.key("/")
    assert page.run("document.activeElement.id") == "words"
    page.type("ball blue")
    page.until("document.querySelectorAll('.run').length === 1")
    assert runs(page) == ["a blue ball"]
    page.run("document.querySelector('#words').select()")
    page.type("nothing of this")
    page.until("document.querySelector('.empty button') !== null")
    page.click(".empty button")
    page.until("document.querySelectorAll('.run').length === 4")


def test_an_object_is_asked_for_with_the_keyboard_alone_and_can_be_taken_back(page: Page, root: Path) -> None:
    page.key("n")
    page.until("document.activeElement.id === 'prompt'")
    page.type("a green ball")
    page.key("Enter")
    page.until("document.querySelector('.job') !== null")
    told = page.run("document.querySelector('.job').innerText")
    assert "a green ball" in told and "seed 0 · is next" in told
    page.click(".job button")
    page.until("document.querySelector('.job').innerText.includes('cancelled')")
    page.click(".job button:last-child")
    page.until("document.querySelector('.job') === null")


GIVE = """(async (how, name, kind, size) => {{
  const canvas = new OffscreenCanvas(48, 48), pen = canvas.getContext("2d");
  pen.fillStyle = "#c81e1e";
  pen.fillRect(12, 12, size, size);
  const blob = kind === "image/png" ? await canvas.convertToBlob() : new Blob(["no picture"]);
  const data = new DataTransfer();
  data.items.add(new File([blob], name, {{ type: kind }}));
  if (how === "choose") {{
    const input = document.querySelector("#pictures");
    input.files = data.files;
    input.dispatchEvent(new Event("change"));
  }} else if (how === "paste") {{
    const paste = new ClipboardEvent("paste", {{ clipboardData: data, bubbles: true }});
    document.querySelector("#prompt").dispatchEvent(paste);
  }} else {{
    const drop = new DragEvent("drop", {{ dataTransfer: data, bubbles: true, cancelable: true }});
    document.querySelector(".composer").dispatchEvent(drop);
  }}
}})({0})"""


def give(page: Page, how: str, name: str = "box.png", kind: str = "image/png", size: int = 24) -> None:
    """A picture of a red square, or what is none, as a person hands it over."""
    page.run(GIVE.format(f"'{how}', '{name}', '{kind}', {size}"))


def shots(page: Page, count: int) -> None:
    page.until(f"document.querySelectorAll('.shot img').length === {count}")
    page.until("[...document.querySelectorAll('.shot img')].every((each) => each.naturalWidth === 512)")


def test_pictures_are_chosen_pasted_and_dropped_and_go_with_the_job(page: Page, root: Path) -> None:
    for number, how in enumerate(("choose", "paste", "drop"), 1):
        give(page, how, f"{how}.png", size=20 + number)
        shots(page, number)
    assert "is cut out by its transparency" in page.run("document.querySelector('.shot').innerText")
    page.run("document.querySelector('.shot:nth-child(2) select').focus()")
    page.type_keys("i", "t", "s", " ", "b")
    assert page.run("document.activeElement.selectedOptions[0].textContent") == "its back"
    page.run("document.querySelector('.shot:nth-child(3) button').focus()")
    page.key("Enter")
    shots(page, 2)
    assert page.run("document.activeElement.textContent") == "Add a picture"
    page.run("document.querySelector('#prompt').focus()")
    page.type("a red box")
    page.key("Enter")
    page.until("document.querySelector('.job') !== null")
    (job,) = Store(root).jobs("queued")
    cameras = [(image["azimuth"], image["elevation"]) for image in job.images]
    assert job.prompt == "a red box" and cameras == [(None, 15), (180, 15)]
    Store(root).cancel(job.id)


def test_what_is_no_picture_is_said_and_words_are_not_needed_beside_one(page: Page, root: Path) -> None:
    page.run("document.querySelector('#prompt').value = ''")
    page.click(".composer [type=submit]")
    page.until("document.querySelector('.toast.bad') !== null")
    assert "or add a picture" in page.run("document.querySelector('.toast.bad').innerText")
    give(page, "drop", "letter.txt", "text/plain")
    page.until("document.querySelector('#toasts').innerText.includes('That is no picture')")
    give(page, "choose", "letter.txt", "text/plain")
    page.until("document.querySelector('#toasts').innerText.includes('cannot be read')")
    page.errors[:] = [each for each in page.errors if "422" not in each]
    give(page, "choose")
    shots(page, 1)
    page.run("document.querySelectorAll('.toast').forEach((each) => each.remove())")
    page.click(".composer [type=submit]")
    page.until("document.querySelector('.toast') !== null")
    told = page.run("document.querySelector('.toast').innerText")
    assert "is taken for" in told or "it is not clear what the picture shows" in told
    for job in Store(root).jobs("queued"):
        Store(root).cancel(job.id)
    page.errors[:] = [each for each in page.errors if "422" not in each]


def test_a_run_of_a_picture_shows_it_and_fills_the_form_with_it(page: Page, root: Path) -> None:
    image = {"path": str(ball_picture(root.parent / "ball.png")), "azimuth": 30, "elevation": 40}
    config = resolve("a shown ball", preset="fast", settings={"images": [image]})
    run = new_run(config, root, None, {"preset": "fast"}).path
    page.run(f"location.hash = '#/run/{run.name}'")
    page.until("document.querySelector('main .cutout img')?.naturalWidth === 512")
    page.run(CHANGE)
    shots(page, 1)
    told = "[...document.querySelectorAll('.shot select')].map((each) => each.selectedOptions[0].textContent)"
    assert page.run(told) == ["30°", "well above"]
    assert page.run("document.querySelector('#prompt').value") == "a shown ball"
    Library(root).discard(run.name)
    empty(root)


CHANGE = """[...document.querySelectorAll("button")]
  .find((each) => each.textContent.startsWith("Change")).click()"""


def test_what_is_refused_is_said_in_the_servers_words(page: Page) -> None:
    page.run("document.querySelector('#prompt').value = 'a ball'")
    page.run("document.querySelector('#settings').value = 'stages.shape.stepps = 3'")
    page.click(".composer [type=submit]")
    page.until("document.querySelector('.toast.bad') !== null")
    assert "stepps" in page.run("document.querySelector('.toast.bad').innerText")
    page.errors[:] = [each for each in page.errors if "422" not in each]


def test_words_that_the_prior_does_not_know_are_told_before(page: Page) -> None:
    page.run("document.querySelector('#prompt').focus()")
    page.type("a fierce zyzzyx")
    page.until("document.querySelector('.hint .warn') !== null")
    page.click(".hint .chip")
    page.until("document.querySelector('.hint .warn') === null")
    assert "knows:" in page.run("document.querySelector('.hint').innerText")


def test_arrows_favourite_trash_and_undo_work_from_the_keyboard(page: Page, root: Path) -> None:
    page.key("ArrowRight")
    page.key("ArrowRight")
    page.key("ArrowRight")
    assert page.run("document.activeElement.closest('.run').dataset.name") == "0002-a-blue-ball"
    page.key("f")
    page.until("document.querySelector('[data-name=\"0002-a-blue-ball\"] .star[aria-pressed=true]') !== null")
    assert Library(root).entry("0002-a-blue-ball").mark.favourite
    assert page.run("document.activeElement.closest('.run').dataset.name") == "0002-a-blue-ball"
    page.key("Delete")
    page.until("document.querySelectorAll('.run').length === 3")
    assert [run.name for run in trashed(root)] == ["0002-a-blue-ball"]
    page.until("document.querySelector('.toast button') !== null")
    page.click(".toast button")
    page.until("document.querySelectorAll('.run').length === 4")
    assert not trashed(root)
    page.key("?")
    page.until("document.querySelector('dialog[open]') !== null")


def test_letters_that_are_typed_are_no_commands(page: Page, root: Path) -> None:
    page.key("n")
    page.until("document.activeElement.id === 'prompt'")
    for key in "f?n":
        page.key(key)
    page.key("Delete")
    assert page.run("document.querySelector('#prompt').value").endswith("f?n")
    assert page.run("document.querySelector('dialog')") is None and not trashed(root)


def test_two_runs_are_compared_and_their_cameras_move_together(page: Page) -> None:
    for name in ("0001-a-red-ball", "0002-a-blue-ball"):
        page.click(f'[data-name="{name}"] input')
    page.look_like(600, 400)  # smaller pictures are sooner there
    page.click("#chosen a")
    page.until("document.querySelectorAll('[data-viewer=ready]').length === 2")
    still = pixels(page)
    page.run("document.querySelector('canvas').focus()")
    for _ in range(5):
        page.key("ArrowUp")
    page.until(f"({PIXELS})[1] !== {json.dumps(still[1])}")
    assert pixels(page)[0] != still[0]
    page.click(".title input")  # no longer linked
    before = pixels(page)
    page.run("document.querySelector('canvas').focus()")
    for _ in range(5):
        page.key("ArrowUp")
    page.until(f"({PIXELS})[0] !== {json.dumps(before[0])}")
    assert pixels(page)[1] == before[1]
    assert "a blue ball" in page.run("document.querySelector('.diff').innerText")
    home(page)


PIXELS = "[...document.querySelectorAll('canvas')].map((each) => each.toDataURL())"


MIDDLE = """(() => {
  const canvas = document.querySelector("canvas"), gl = canvas.getContext("webgl2");
  const pixel = new Uint8Array(4);
  gl.readPixels(canvas.width >> 1, canvas.height >> 1, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  return [...pixel];
})()"""


def pixels(page: Page) -> list[str]:
    """What both canvases show once they show the same twice."""
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.run(PIXELS)


def test_a_run_shows_its_model_and_what_can_be_done_with_it(page: Page, root: Path) -> None:
    page.run("document.querySelector('[data-name=\"0001-a-red-ball\"] a').focus()")
    page.key("Enter")
    page.until("document.querySelector('[data-viewer=ready]') !== null")
    red = page.run(MIDDLE)
    assert red[0] > 100 > red[1]
    titles = page.run("[...document.querySelectorAll('main h2')].map((each) => each.textContent)")
    assert titles == ["Result", "Download", "Variations", "Export anew", "Tags", "Compare"]
    page.run("document.querySelector('#tags').value = 'toys, round things'")
    page.click("form:has(#tags) button")
    page.until("document.querySelector('.toast') !== null")
    assert Library(root).entry("0001-a-red-ball").mark.tags == ("toys", "round things")
    page.key("Escape")  # where a text field has the focus it only leaves that
    page.run("document.activeElement.blur()")
    page.key("Escape")
    page.until("document.querySelector('.home .run') !== null")


def test_a_model_of_several_parts_is_shown_whole(page: Page, root: Path) -> None:
    run = make_shown_run(root, "two balls", (0.5, 0.5, 0.5))
    red, blue = ball((0.9, 0.1, 0.1), -1.5), ball((0.1, 0.1, 0.9), 1.5)
    (run / "mesh.glb").write_bytes(glb_scene([GlbObject("left", red), GlbObject("right", blue)]))
    page.run(f"location.hash = '#/run/{run.name}'")
    page.until("document.querySelector('[data-viewer=ready]') !== null")
    left, right = (page.run(MIDDLE.replace("canvas.width >> 1", at)) for at in SIDES)
    assert left[0] > 90 > left[2] and right[2] > 90 > right[0]
    Library(root).discard(run.name)
    empty(root)
    home(page)


SIDES = ("(canvas.width - canvas.height / 2) >> 1", "(canvas.width + canvas.height / 2) >> 1")


def test_variations_go_on_with_the_next_seeds(page: Page) -> None:
    page.run("location.hash = '#/run/0001-a-red-ball'")
    page.until("document.querySelector('#vary') !== null")
    page.run("document.querySelector('#vary').value = 2")
    page.run(
        "[...document.querySelectorAll('button')].find((each) => each.textContent === 'Make them').click()"
    )
    page.until("document.querySelector('.toast:not(.bad)') !== null")
    home(page)
    page.until("document.querySelectorAll('.job').length === 2")
    told = page.run("[...document.querySelectorAll('.job')].map((each) => each.innerText)")
    assert "seed 4 " in told[0] and "seed 5 " in told[1] and all("a red ball" in each for each in told)
    for _ in told:
        page.click(".job:not([data-state=cancelled]) button")
        page.run("new Promise((done) => setTimeout(done, 300))")
    page.until("document.querySelectorAll('.job[data-state=cancelled]').length === 2")


def test_thumbnails_turn_under_the_hand_unless_less_motion_is_asked_for(page: Page) -> None:
    card = "document.querySelector('[data-name=\"0001-a-red-ball\"] a')"
    turning = f"{card}.querySelector('img').src.endsWith('?turn=1')"
    over = card + ".dispatchEvent(new PointerEvent('pointer{}'))"
    page.run(over.format("enter"))
    assert not page.run(turning)
    page.look_like(1280, 900, less_motion=False)
    page.run(over.format("enter"))
    assert page.run(turning)
    page.run(over.format("leave"))
    assert not page.run(turning)


@pytest.mark.parametrize(
    "view", ["#/", "#/run/0001-a-red-ball", "#/compare/0001-a-red-ball/0002-a-blue-ball", "#/trash"]
)
def test_no_page_is_wider_than_a_phone(view: str, page: Page) -> None:
    page.look_like(360, 740)
    page.run(f"location.hash = '{view}'")
    page.until("document.querySelector('main h1') !== null")
    page.run("for (const each of document.querySelectorAll('details')) each.open = true")
    if view == "#/":
        give(page, "choose")
        shots(page, 1)
    assert page.run("document.documentElement.scrollWidth") <= 360
    small = "filter((each) => each.offsetHeight && each.offsetHeight < 24).map((each) => each.textContent)"
    assert page.run(f"[...document.querySelectorAll('main button, main a.button')].{small}") == []


@pytest.mark.parametrize(
    "view",
    ["#/", "#/run/0001-a-red-ball", "#/compare/0001-a-red-ball/0002-a-blue-ball", "#/trash", "#/run/none"],
)
def test_axe_finds_no_barrier(view: str, page: Page) -> None:
    script = axe()
    page.run(f"location.hash = '{view}'")
    page.until(f"location.hash === '{view}' && document.querySelector('main h1') !== null")
    page.run("for (const each of document.querySelectorAll('details')) each.open = true")
    if view == "#/":
        give(page, "choose")
        shots(page, 1)
    page.run(f"{script};0")
    rules = "all.violations.map((v) => [v.id, v.nodes.map((n) => n.failureSummary)])"
    for width, dark in ((1280, False), (360, True)):
        page.look_like(width, 900, dark)
        assert page.run(f"axe.run().then((all) => {rules})") == []
    page.errors[:] = [each for each in page.errors if "404" not in each]


def axe() -> str:
    """axe-core's script, where the variable says where it lies."""
    path = Path(os.environ.get(AXE, ""))
    if not path.is_file():
        pytest.skip(f"axe-core is not here (npm install axe-core, and set {AXE} to its axe.min.js)")
    return path.read_text("utf-8")


def test_who_has_no_runs_is_shown_how_to_begin(browser: Page, tmp_path: Path) -> None:
    with served(tmp_path / "new") as address:
        browser.go(f"{address}/")
        browser.until("document.querySelector('.empty .chip') !== null")
        assert "Nothing here yet" in browser.run("document.querySelector('.empty').innerText")
        browser.click(".empty .chip")
        assert browser.run("document.querySelector('#prompt').value").startswith("a")


@pytest.mark.slow
def test_a_job_is_followed_to_its_end(browser: Page, tmp_path: Path) -> None:
    """With the server's own worker: queued, running with a picture and progress, then in the gallery."""
    with served(tmp_path / "outputs", workers=1) as address:
        browser.go(f"{address}/")
        browser.until("document.querySelector('#hint .chip') !== null")
        browser.key("n")
        browser.until("document.activeElement.id === 'prompt'")
        browser.type("a red ball")
        browser.key("Enter")
        browser.until("document.querySelector('.run[data-state=done]') !== null", 120)
        browser.until("document.querySelector('.job') === null")
        assert "is done" in browser.run("document.querySelector('#toasts').innerText")
        browser.go("about:blank")


# ---- without a browser ----


def test_pages_are_whole_files_of_the_package_and_load_nothing_else(tmp_path: Path) -> None:
    from dreamlab.app.pages import CSP, _pages

    with client(tmp_path) as web:
        for name, text in _pages().items():
            answer = web.get(f"/{name}")
            assert answer.content == text and answer.headers["content-security-policy"] == CSP
            assert web.head(f"/{name}").status_code == 200
            if name != "icon.svg":
                assert b"://" not in text and b"@import" not in text and b"innerHTML" not in text
        assert web.get("/").content == _pages()["index.html"] and "unsafe" not in CSP
        assert web.get("/none.js").status_code == 404


def test_without_a_browser_these_tests_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pytest.skip.Exception, match="chromium is not installed"):
        chromium()
    monkeypatch.setenv(AXE, "/nowhere")
    with pytest.raises(pytest.skip.Exception, match="axe-core is not here"):
        axe()
