import json

from priorbench.bench.results.manifest import write_manifest
from priorbench.bench.study.grid import load_grid
from tests.bench.small_study import GRID, write_grid


def test_a_manifest_has_all_that_was_given(tmp_path):
    grid = load_grid(write_grid(tmp_path), "short", {"training.epochs": 7})
    plugin = tmp_path / "mine.py"
    plugin.write_text("x = 1\n")
    written = write_manifest(tmp_path, grid, [str(plugin)], {"command": "run it"})
    manifest = json.loads(written.read_text(encoding="utf-8"))
    assert manifest["profile"] == "short"
    assert manifest["overrides"] == {"training.epochs": 7}
    assert manifest["command"] == "run it"
    assert manifest["file"]["text"] == GRID
    (kept,) = manifest["plugins"]
    plugin.write_text("x = 2\n")
    assert (tmp_path / kept["copy"]).read_text() == "x = 1\n"


def test_an_edited_plugin_is_kept_beside_the_one_before(tmp_path):
    grid, plugin = load_grid(write_grid(tmp_path)), tmp_path / "mine.py"
    for text in ("x = 1\n", "x = 2\n"):
        plugin.write_text(text)
        write_manifest(tmp_path, grid, [str(plugin)], {})
    kept = sorted(path.read_text() for path in (tmp_path / "plugins").iterdir())
    assert kept == ["x = 1\n", "x = 2\n"]
