import pytest

from priorbench.bench.results.manifest import (
    Manifest,
    copy_plugins,
    find_manifest,
    read_manifest,
    write_manifest,
)
from priorbench.errors import UserError


def make_manifest(**changes):
    fields = {
        "grid": "study",
        "profile": "short",
        "precision": "fp32",
        "overrides": {"training.epochs": 7},
        "models": (
            {
                "method": "β-VAE",
                "prior": "normal",
                "objective": "beta_vae",
                "beta": (1.0, 2.0),
                "seed": 0,
                "id": "aa",
            },
        ),
        "scores": ("mig-0123456789abcdef",),
        "text": 'name = "study"\n',
    }
    return Manifest(**{**fields, **changes})


def test_round_trip(tmp_path):
    manifest = make_manifest()
    write_manifest(tmp_path / "study", manifest)
    assert read_manifest(tmp_path / "study") == manifest
    assert find_manifest(tmp_path / "study") == manifest


def test_none_where_there_is_none(tmp_path):
    assert find_manifest(tmp_path) is None
    with pytest.raises(UserError, match=r"no manifest\.json in .*run its grid first"):
        read_manifest(tmp_path)


def test_an_edited_plugin_is_kept_beside_the_one_before(tmp_path):
    plugin = tmp_path / "mine.py"
    for text in ("x = 1\n", "x = 2\n", "x = 2\n"):
        plugin.write_text(text)
        (copy,) = copy_plugins(tmp_path, [str(plugin)])
        assert (tmp_path / copy.copied).read_text() == text
    kept = sorted(path.read_text() for path in (tmp_path / "plugins").iterdir())
    assert kept == ["x = 1\n", "x = 2\n"]
