"""The page of a report: what is in it, and what it does in a browser."""

import json
import re
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from priorbench.bench.report.page.build import encode_data
from priorbench.bench.report.page.gallery import choose_models
from priorbench.bench.report.page.summary import describe_fixed
from priorbench.bench.report.write import write_report
from priorbench.bench.results.manifest import Entry, read_manifest, write_manifest
from tests.bench.synthetic_results import make_result, make_results, save_results

NAMES = ("<script>alert(1)</script>", "β-VAE", "a|b", "$x$")


def write_page(folder, results):
    """Write the report of results; return its page."""
    write_report(save_results(folder / "study", results))
    return folder / "study" / "report.html"


def read_data(page):
    """Return the data in a page."""
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    results = make_results(methods=NAMES, betas=(1.0, 2.0, 4.0), seeds=8)
    results.append(make_result("β-VAE", 1.0, 99, status="failed"))
    return write_page(tmp_path_factory.mktemp("page"), results)


def test_the_page_asks_for_nothing_and_is_small(page):
    text = page.read_text(encoding="utf-8")
    own = text.partition("plotly.js v")[0]
    assert not re.search(r'(?:src|href)="(?:https?:)?//', own)
    assert len(text.encode()) < 6e6


def test_names_of_methods_are_text(page):
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert [method["name"] for method in read_data(page)["methods"]] == list(NAMES)


def test_the_data_are_those_of_the_tables(page):
    data = read_data(page)
    assert data["scores"][0] == "mig"
    assert len(data["runs"]["seed"]) == 4 * 3 * 8
    assert len(data["settings"]) == 12
    places = {row[1] for row in data["comparisons"]["data"]}
    assert places == {"β = 1", "β = 2", "β = 4", "all β", "equal reconstruction"}


def test_betas_are_ascending_whichever_method_has_them(tmp_path):
    results = [
        *make_results(("a",), (1.0, 4.0), 2),
        *make_results(("b",), (3.0, (1.0, 8.0)), 2),
    ]
    assert read_data(write_page(tmp_path, results))["betas"] == ["1", "3", "4", "1/8"]


def test_what_differs_between_runs_is_not_called_fixed():
    same = {"dataset": {"name": "dsprites"}, "latent_dim": 2}
    runs = [make_result(config={**same, "training": {"epochs": n}}) for n in (1, 1, 2)]
    assert describe_fixed(runs[:2]) == (
        "data set: dsprites; number of latents: 2; training: epochs 1",
        [],
    )
    assert describe_fixed(runs) == (
        "data set: dsprites; number of latents: 2",
        ["Not the same in all runs (training: epochs 1 or epochs 2)."],
    )


def test_the_head_says_what_is_missing_and_what_could_not_be_seen(tmp_path):
    folder = save_results(tmp_path / "study", make_results(seeds=3))
    manifest = read_manifest(folder)
    more = Entry(
        method="β-VAE",
        prior="normal",
        objective="beta_vae",
        beta=1.0,
        seed=9,
        id="none",
    )
    models = (*manifest.models, more)
    write_manifest(folder, manifest.model_copy(update={"models": models}))
    write_report(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "1 run still missing" in text
    assert '<meta http-equiv="refresh"' in text
    assert (
        "With 3 seeds no method is called better or worse than another: for 1" in text
    )


def test_the_head_says_how_many_seeds_the_comparisons_have(tmp_path):
    results = make_results(betas=(1.0, 2.0, 4.0), seeds=8)
    failed = [
        replace(r, model=r.model.model_copy(update={"status": "failed"}), records={})
        if (r.method, r.beta) == ("β-VAE", 4.0) and r.seed
        else r
        for r in results
    ]
    text = write_page(tmp_path, failed).read_text(encoding="utf-8")
    assert re.search(r"8 seeds: a difference in mig below 0\.\d+ would mostly be", text)
    assert "2 of 5 comparisons by mig have too few seeds to call a method" in text
    assert "One seed" not in text


@pytest.mark.parametrize(
    "results",
    [
        [make_result()],
        make_results(methods=("A",), betas=(1.0, 2.0), seeds=2),
        make_results(betas=(1.0, (1.0, 4.0)), seeds=2),
    ],
    ids=["one run", "one method", "a β for each group"],
)
def test_small_studies_have_a_page(tmp_path, results):
    data = read_data(write_page(tmp_path, results))
    assert len(data["runs"]["id"]) == len(results)


def test_one_seed_is_called_one_seed(tmp_path):
    text = write_page(tmp_path, [make_result()]).read_text(encoding="utf-8")
    assert "One seed: nothing here says how far a difference is chance." in text


def test_hollow_marks_are_offered_where_there_are_some(tmp_path):
    whole = {"dataset": {"name": "dsprites"}}
    part = {"dataset": {"name": "dsprites", "factors": {"scale": [0]}}}
    for config, offered in ((whole, True), (part, False)):
        run = make_result(grid="dsprites_beta", config=config)
        text = write_page(tmp_path / f"{offered}", [run]).read_text(encoding="utf-8")
        assert ("<label hidden>" not in text) == offered
        assert ("Hollow marks are published" in text) == offered


def test_data_stay_data_inside_of_a_script():
    told = {"a": "</script><script>alert(1)//", "b": [np.float64("nan"), 1 / 3]}
    text = encode_data(told)
    assert "<" not in text
    assert json.loads(text) == {"a": told["a"], "b": [None, 0.33333]}


def test_the_representative_is_the_most_usual_of_the_upper_half():
    migs = [0.1, 0.12, 0.3, 0.31, 0.32, 0.6]
    results = [
        make_result(seed=s, mig=m, reconstruction=-10 - s) for s, m in enumerate(migs)
    ]
    chosen = choose_models(results, ["mig"])
    assert {kind: result.seed for kind, result in chosen.items()} == {
        "representative": 4,
        "best": 5,
        "worst": 0,
    }
    assert choose_models(results[:1], ["mig"]).keys() == {"representative"}


# ---- in a browser


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if not all(found):
        pytest.skip("no Chromium is here")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,900",
    ):
        options.add_argument(flag)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    driver = webdriver.Chrome(options, webdriver.ChromeService(found[1]))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, page):
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())
    return browser


def count_traces(browser, plot):
    script = "return document.getElementById(arguments[0]).data.length"
    return browser.execute_script(script, plot)


def wait_for(browser, script, expected):
    """Check that a script comes to give a value; Plotly draws when it finds the time."""
    deadline = time.monotonic() + 20
    while (found := browser.execute_script(script)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def choose(browser, select, value):
    browser.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change'))",
        select,
        value,
    )


def test_the_page_opens_without_an_error_or_a_request(opened, page):
    errors = [e for e in opened.get_log("browser") if e["level"] != "INFO"]
    assert not errors
    sent = [
        json.loads(entry["message"])["message"]
        for entry in opened.get_log("performance")
    ]
    asked = {
        message["params"]["request"]["url"]
        for message in sent
        if message["method"] == "Network.requestWillBeSent"
    }
    assert {a for a in asked if not a.startswith("data:")} == {page.as_uri()}


def test_the_menus_change_the_axes(opened):
    title = "return document.getElementById('trade-off-plot').layout.yaxis.title.text"
    assert opened.execute_script(title) == "mig"
    choose(opened, "y", "reconstruction")
    assert opened.execute_script(title) == "reconstruction"
    assert count_traces(opened, "trade-off-plot") == 4
    opened.find_element("id", "seeds").click()
    assert count_traces(opened, "trade-off-plot") == 8


def test_the_legend_hides_a_method(opened):
    shown = (
        "return [...document.querySelectorAll('#trade-off-plot .legendtext')]"
        ".map(e => e.textContent)"
    )
    wait_for(opened, shown, list(NAMES))
    toggle = opened.find_element("css selector", "#trade-off-plot .legendtoggle")
    opened.execute_script(
        "arguments[0].dispatchEvent(new MouseEvent('mousedown'))", toggle
    )
    opened.execute_script(
        "arguments[0].dispatchEvent(new MouseEvent('mouseup'))", toggle
    )
    visible = "return document.getElementById('trade-off-plot')._fullData[0].visible"
    wait_for(opened, visible, "legendonly")


def test_the_verdict_follows_its_menus(opened):
    place = opened.find_element("id", "verdict-place")
    assert place.get_attribute("value") == "all β"
    words = opened.find_element("id", "verdict-table").text
    assert "<script>alert(1)" in words
    assert "worse" in words
    choose(opened, "verdict-place", "β = 1")
    assert opened.find_element("id", "verdict-table").text != words
    cells = opened.find_elements("css selector", "#verdict-matrix td.better")
    assert len(cells) == 6


def test_the_table_sorts_filters_and_opens_its_rows(opened):
    def list_rows():
        rows = opened.find_elements("css selector", "#settings-table tbody tr")
        return [row for row in rows if row.is_displayed()]

    assert len(list_rows()) == 12
    heads = opened.find_elements("css selector", "#settings-table thead button")
    heads[4].click()
    values = [
        float(row.find_elements("tag name", "td")[3].text.split()[0])
        for row in list_rows()
    ]
    assert values == sorted(values)
    opened.find_element("id", "filter").send_keys("a|b")
    assert len(list_rows()) == 3
    list_rows()[0].click()
    assert len(opened.find_elements("css selector", "#runs tr")) == 1 + 8
    assert "a|b" in opened.find_element("css selector", "#runs caption").text


def test_numbers_keep_the_zeros_before_their_point(opened):
    numbers = [(20, 2), (-230, 3), (1000, 4), (0.1, 3), (0, 3), (-3540.2, 4), (1e-9, 2)]
    script = "return arguments[0].map(([x, digits]) => format(x, digits))"
    words = opened.execute_script(script, numbers)
    assert words == ["20", "-230", "1000", "0.1", "0", "-3540", "1e-9"]
    assert opened.execute_script("return format(null)") == "–"


def test_light_and_dark(opened):
    paper = "return document.getElementById('trade-off-plot').layout.paper_bgcolor"
    before = opened.execute_script(paper)
    opened.find_element("id", "theme").click()
    assert opened.execute_script(paper) != before


def test_a_narrow_page_does_not_scroll_sideways(opened):
    opened.set_window_size(500, 900)  # the narrowest that Chromium's window gets
    opened.refresh()
    try:
        wide = "return document.documentElement.scrollWidth - window.innerWidth"
        assert opened.execute_script(wide) <= 0
    finally:
        opened.set_window_size(1280, 900)
