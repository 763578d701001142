"""The documentation: links lead somewhere, and the site builds."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "results/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
    if not {"_build", "tutorial"} & set(path.parts)
)
BUILT = {ROOT / "docs/tutorial/prior_to_verdict.rst"}


def list_anchors(page):
    """The anchors of the headings of a page, as GitHub names them."""
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.M)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_of_a_page_lead_to_files_and_headings(page):
    links = re.findall(r"\]\((?!\w+:)([^)\s]+)\)", page.read_text("utf-8"))
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() or target in BUILT, link
        if anchor:
            assert anchor in list_anchors(target), link


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for module in ("sphinx", "myst_parser", "sphinx_gallery", "furo", "ziamath"):
        pytest.importorskip(module, reason="the docs' tools are not installed")
    checkout = tmp_path / "checkout"
    unwanted = shutil.ignore_patterns(
        *(".*", "__pycache__", "_build", "tutorial", "runs", "*.egg-info", "tests")
    )
    shutil.copytree(ROOT, checkout, ignore=unwanted)
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "docs", site],
        cwd=checkout,
        env={"PATH": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    tutorial = (site / "tutorial/prior_to_verdict.html").read_text("utf-8")
    assert "[12/12]" in tutorial
    assert "p_holm" in tutorial
    assert "normal soft box" in tutorial
    assert "plotly" in (site / "tutorial/report.html").read_text("utf-8").lower()
