"""The documentation's pages as their readers meet them: links, anchors, commands and blocks of code."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(DOCS.glob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "dreamlab" / "weights" / "MODEL_CARD.md",
    ROOT / "dreamlab" / "weights" / "TRAINING.md",
]


@cache
def parsed(text: str) -> list[Token]:
    """A page's blocks; parsing one takes a while."""
    return MarkdownIt("commonmark").enable("table").parse(text)


def tokens(text: str) -> Iterator[Token]:
    """All tokens, those of a line among them."""
    for token in parsed(text):
        yield token
        yield from token.children or ()


def links(text: str) -> list[str]:
    """Where links and pictures lead."""
    return [str(t.attrs[k]) for t in tokens(text) for k in ("href", "src") if k in t.attrs]


def anchors(text: str) -> set[str]:
    """What can stand behind a #: headings in lower case, without punctuation, hyphens for blanks."""
    found = set()
    for token, following in pairwise(parsed(text)):
        if token.type == "heading_open":
            words = "".join(t.content for t in following.children or () if t.type in ("text", "code_inline"))
            found.add(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
    return found


def leads_nowhere(page: Path) -> list[str]:
    """Relative links of a page to files or anchors that are not there."""
    text, lost = page.read_text("utf-8"), []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            lost.append(link)
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text("utf-8")):
            lost.append(link)
    return lost


class Block(NamedTuple):
    """A block of code: its language ("" where none is named), its text, the comment in the line before."""

    language: str
    text: str
    comment: str


def blocks(text: str) -> list[Block]:
    found, comment = [], ""
    for token in parsed(text):
        if token.type in ("fence", "code_block"):
            found.append(Block(token.info.strip(), token.content, comment))
        comment = token.content.strip() if token.type == "html_block" else ""
    return found


def lines_of(block: Block) -> list[str]:
    """Command lines, with those that a backslash goes on with."""
    if block.language not in ("", "sh"):
        return []
    return block.text.replace("\\\n", " ").splitlines()


def commands(text: str) -> list[list[str]]:
    """The arguments of every `dreamlab` that a block shows; `scripts/run` is `dreamlab run`."""
    found = [words for block in blocks(text) for line in lines_of(block) for words in _calls(line)]
    for block in blocks(text):
        if block.language == "python":
            found += main_calls(block.text)
    return found


def _calls(line: str) -> Iterator[list[str]]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # an apostrophe: prose, such as a listing of files
        return
    if words[:2] == ["docker", "build"] or words[:1] == ["pip"]:
        return
    for start, word in enumerate(words):
        if word == "scripts/run" and start == 0:
            yield _until_the_end(["run", *words[1:]])
        if word in ("dreamlab", "dreamlab:cuda") and (start == 0 or words[0] in ("docker", "xargs")):
            yield _until_the_end(words[start + 1 :])


def _until_the_end(words: list[str]) -> list[str]:
    """Up to a redirection or a pipe."""
    ends = [number for number, word in enumerate(words) if word in ("<", ">", "|", ";", "&&")]
    return words[: min(ends, default=len(words))]


def main_calls(code: str) -> list[list[str]]:
    """The arguments of every `main([...])`; what is not written out is "x"."""
    found = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(func=ast.Name(id="main"), args=[ast.List(elts=words), *_]):
                words = [word for word in words if not isinstance(word, ast.Starred)]
                found.append([str(w.value) if isinstance(w, ast.Constant) else "x" for w in words])
    return found


def inline_code(text: str) -> list[str]:
    """Code in the lines of a text."""
    return [token.content for token in tokens(text) if token.type == "code_inline"]


def toctree(text: str) -> list[str]:
    """The entries of all tables of contents in a page's comments for the site."""
    entries = []
    for inner in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL):
        for line in inner.splitlines():
            if line and not line.startswith(":"):
                named = re.fullmatch(r".*<(.+)>", line)
                entries.append(named[1] if named else line)
    return entries
