from pathlib import Path

import pytest

from priorbench.paths import expand_path


def test_a_path_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert expand_path("~/runs") == Path("/home/of/mine/runs")
    assert expand_path(Path("runs")) == Path("runs")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("~no_such_user/x", "'~no_such_user/x': there is no such user"),
        ("x" * 300, "File name too long"),
        ("a\0b", "a path has no zero byte"),
    ],
)
def test_what_no_file_can_be_called_is_refused(path, message):
    with pytest.raises(ValueError, match=message):
        expand_path(path)
