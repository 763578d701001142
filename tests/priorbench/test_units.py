import pytest

from priorbench import units


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (42, "42 s"),
        (89, "89 s"),
        (90, "1.5 min"),
        (600, "10.0 min"),
        (3540, "59.0 min"),
        (3600, "1.0 h"),
        (5400, "1.5 h"),
        (86_400, "24.0 h"),
        (129_600, "1.5 days"),
        (200_000, "2.3 days"),
        (8_640_000, "100.0 days"),
    ],
)
def test_duration(seconds, words):
    assert units.format_duration(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(3e5, "0 MB"), (57e6, "57 MB"), (1.03e11, "103 GB"), (2e12, "2 TB")],
)
def test_size(size, words):
    assert units.format_size(size) == words
