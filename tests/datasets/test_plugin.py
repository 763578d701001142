"""The example of a user's dataset in the package's docstring, taken at its word."""

import hashlib
import re
import textwrap

import numpy as np
import pytest
import scipy.io
from typer.testing import CliRunner

from priorbench import datasets
from priorbench.datasets import prepare

LETTERS = np.random.default_rng(0).integers(0, 256, (130, 256), dtype=np.uint8)


@pytest.fixture
def letters(mine, tmp_path, monkeypatch):
    """The example's file, and its original in the folder ``mine``; the file's path."""
    monkeypatch.setattr(datasets.registry, "_entries", dict(datasets.registry._entries))
    scipy.io.savemat(mine / "letters.mat", {"X": LETTERS})
    digest = hashlib.md5((mine / "letters.mat").read_bytes()).hexdigest()
    example = re.search(r"::\n\n(.*?)\n\nIn a file", datasets.__doc__, re.DOTALL)[1]
    path = tmp_path / "letters.py"
    path.write_text(textwrap.dedent(example).replace("0" * 32, digest))
    return path


def run(*arguments):
    result = CliRunner().invoke(
        prepare.app, [str(a) for a in arguments], env={"COLUMNS": "400"}
    )
    return result.exit_code, result.output


def test_it_is_listed_and_prepared(letters, mine, data_folder, tmp_path):
    code, output = run("--list", "--plugin", letters)
    assert code == 0, output
    assert "slanted letters: 130 × 1×16×16, grey (0.0 MB on disk)" in output
    assert "to be downloaded" in output
    sheet = tmp_path / "sheet.png"
    code, output = run("letters", "--plugin", letters, "--from", mine, "--sheet", sheet)
    assert code == 0, output
    assert "letters: 130 images; letter=26, slant=5; prepared, 0.0 MB" in output
    assert sheet.is_file()
    code, output = run(
        "letters", "--plugin", letters, "--set", "factors={letter = [3, 1]}"
    )
    assert code == 0, output
    assert "10 images; letter=2, slant=5" in output
    data = datasets.load_dataset("letters")
    assert np.array_equal(data.pixels, LETTERS)
    assert "prepared, 0.0 MB" in run("--list", "--plugin", letters)[1]


def test_a_wrong_original_is_named(letters, mine, assert_empty):
    scipy.io.savemat(mine / "letters.mat", {"X": LETTERS[:5]})
    code, output = run("letters", "--plugin", letters, "--from", mine)
    assert code == 2
    assert re.search(r"error: letters: .*letters\.mat.* expected md5 .*, got", output)
    assert_empty()


def test_a_fault_of_the_file_is_named_with_its_line(letters, mine):
    letters.write_text(letters.read_text().replace('matrices["X"]', 'matrices["Y"]'))
    code, output = run("letters", "--plugin", letters, "--from", mine)
    assert code == 2
    assert re.search(r"error: letters: KeyError: 'Y' \(letters.py, line \d+\)", output)
