"""How the documentation site is built; `scripts/docs` does it.

The pages are plain Markdown that reads as well where a repository is browsed. What only the site needs (its
tables of contents, docstrings, the text of the example scripts) stands in comments: `<!-- site`, a line of
its own, then the directives, then `-->`.

Sphinx reads from the project's root, not from docs/, so that links to CONTRIBUTING.md, the model card and the
notebook are the same here and there.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

from dreamlab import __version__

project, author, copyright = "dreamlab", "the dreamlab authors", "the dreamlab authors, MIT licence"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "CONTRIBUTING.md", "CHANGELOG.md", "dreamlab/weights/*.md"]
exclude_patterns = [".*", "outputs", "training", "tests", "build", "dist", "configs", "scripts", "*.egg-info"]

myst_heading_anchors = 4
default_role = "code"  # docstrings write `code`
highlight_language = "sh"  # of indented blocks, which are command lines
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
nitpicky = False

html_theme = "furo"
html_title = f"dreamlab {version}"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#8a2f8f", "color-brand-content": "#8a2f8f"},
    "dark_css_variables": {"color-brand-primary": "#d58fe0", "color-brand-content": "#d58fe0"},
}
copybutton_exclude = ".linenos, .gp, .go"

linkcheck_timeout = 20
linkcheck_allowed_redirects = {r".*": r".*"}

_FRONT = '<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={0}">'
_FRONT += '<title>dreamlab</title><a href="{0}">dreamlab</a>\n'


def uncommented(app: Sphinx, page: str, source: list[str]) -> None:
    """Take the site's own directives out of their comments."""
    source[0] = re.sub(r"^<!-- site\n(.*?)\n-->$", r"\1", source[0], flags=re.DOTALL | re.MULTILINE)


def front_page(app: Sphinx, error: Exception | None) -> None:
    """The folder itself opens at the first page."""
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "index.html").write_text(_FRONT.format(f"{root_doc}.html"), "utf-8")


def setup(app: Sphinx) -> None:
    app.connect("source-read", uncommented)
    app.connect("build-finished", front_page)
