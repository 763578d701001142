"""The site of the documentation, which ``make docs`` builds."""

import logging
import os
import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger
from sphinx.writers.html5 import HTML5Translator

import priorbench

HERE = Path(__file__).parent
ROOT = HERE.parent
log = getLogger(__name__)
# a style of Pygments has the root logger print what is for information
for talkative in ("matplotlib", "fontTools"):
    logging.getLogger(talkative).setLevel(logging.WARNING)

project = "PriorBench"
author = "The PriorBench authors"
project_copyright = author
release = priorbench.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "tutorial/index.rst"]
suppress_warnings = ["config.cache"]  # a function is no value to be kept
html_theme = "furo"
html_static_path = ["_static", str(files("ziamath") / "fonts/STIXTwoMath-Regular.ttf")]
html_css_files = ["math.css"]
html_title = "PriorBench"
html_math_renderer = "mathml"
html_show_copyright = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
python_use_unqualified_type_names = True
napoleon_custom_sections = ["Shape"]
napoleon_use_ivar = True

# What the tutorial writes goes when the build ends.
scratch = tempfile.TemporaryDirectory(prefix="priorbench_docs_")
tempfile.tempdir = os.environ["PRIORBENCH_DATA"] = scratch.name


def keep_report(block: Any, variables: dict, gallery: dict) -> str:
    """Keep the report of the tutorial's study, for the site."""
    page = variables["example_globals"].get("page")
    if page is not None:
        shutil.copy(page, HERE / "tutorial" / "report.html")
    return ""


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "tutorial",
    "filename_pattern": r"prior_to_verdict\.py",
    "ignore_pattern": r"my_\w+\.py",
    "image_scrapers": ("matplotlib", keep_report),
    "download_all_examples": False,
    "write_computation_times": False,
    "show_signature": False,
    "capture_repr": (),
}

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "results/README.md": "results.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages of the site that include a file outside docs/."""


def relocate_links(text: str, folder: Path) -> str:
    """Return Markdown of a file in ``folder`` with links as a page in docs/ has them.

    So the files are read on their own, with links that work, and as pages too.
    """

    def relocate(match: re.Match) -> str:
        target = (folder / match[1]).resolve()
        name = target.relative_to(ROOT).as_posix()
        return f"]({PAGES.get(name) or os.path.relpath(target, HERE)}"

    return re.sub(r"\]\((?!\w+:|#)([^)#\s]+)", relocate, text)


def relocate_page(app: Sphinx, name: str, content: list[str]) -> None:
    """Relocate the links of a page of docs/."""
    if app.env.doc2path(name).suffix == ".md":
        content[0] = relocate_links(content[0], HERE)


def relocate_include(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    """Relocate the links of a file that a page includes."""
    content[0] = relocate_links(content[0], (HERE / path).parent)


def write_math(writer: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers show without a script or a network."""
    display = isinstance(node, nodes.math_block)
    formula = convert(node.astext(), display="block" if display else "inline")
    formula = re.sub("(<mi>log</mi>)(?=<m[in])", r'\1<mspace width="0.17em"/>', formula)
    if "\\" in formula:
        log.warning("a command of this formula is not known", location=node)
    writer.body.append(f'<div class="math">{formula}</div>' if display else formula)
    raise nodes.SkipNode


def copy_report(app: Sphinx, error: Exception | None) -> None:
    """Put the report of the tutorial's study beside the tutorial."""
    if error is None:
        shutil.copy(HERE / "tutorial" / "report.html", app.outdir / "tutorial")


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("source-read", relocate_page)
    app.connect("include-read", relocate_include)
    app.connect("build-finished", copy_report)
    visitors = (write_math, None)
    app.add_html_math_renderer("mathml", visitors, visitors)
