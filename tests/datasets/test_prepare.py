import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from priorbench import datasets
from priorbench.command_line import make_app
from priorbench.errors import UserError
from priorbench.datasets import caltech101_silhouettes, prepare, contact_sheet
from priorbench.datasets.base import registry


def run(*arguments):
    result = CliRunner().invoke(
        make_app(prepare.main), [str(a) for a in arguments], env={"COLUMNS": "400"}
    )
    return result.exit_code, result.output


def test_the_list_shows_every_dataset(data_folder):
    code, output = run("--list")
    assert code == 0
    for name in datasets.names():
        assert name in output
    for text in (
        "377.5 MB",
        "5.9 GB",
        "Apache-2.0",
        "azimuth 24",
        "made on first use",
        "to be downloaded",
        str(data_folder),
    ):
        assert text in output


def test_a_dataset_without_description_is_listed(data_folder, monkeypatch):
    monkeypatch.setattr(registry, "_entries", {"mine": lambda: None})
    assert "mine" in run("--list")[1]


def test_files_of_a_folder_are_taken(shared_data, data_folder, tmp_path):
    code, output = run(
        "caltech101_silhouettes",
        "--from",
        shared_data,
        "--sheet",
        tmp_path / "out" / "sheet.png",
    )
    assert code == 0, output
    assert "8671 images; train=4100, valid=2264, test=2307; prepared, 0.8 MB" in output
    assert imread(tmp_path / "out" / "sheet.png").std() > 0.1
    assert "prepared, 0.8 MB" in run("--list")[1]


def test_all_of_a_folder_leaves_out_what_it_lacks(shared_data, small, monkeypatch):
    monkeypatch.setattr(
        registry,
        "_entries",
        {
            name: registry.get(name)
            for name in (
                "caltech101_silhouettes",
                "dsprites",
                "omniglot",
                "shapes3d",
                "smallnorb",
            )
        },
    )
    code, output = run("all", "--from", shared_data)
    assert code == 0, output
    assert "omniglot source=lake: 32460 images" in output
    assert "left out smallnorb: 'smallnorb' needs the file" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the datasets to prepare, or all"),
        (("car3d",), "unknown dataset 'car3d'; did you mean 'cars3d'"),
        (("all", "--sheet", "a.png"), "--sheet and --option are for one dataset"),
        (("cars3d", "--option", "seed"), "--option must be KEY=VALUE; got 'seed'"),
        (("omniglot", "--option", "sed=1"), "no argument 'sed'; did you mean 'seed'"),
        (("cars3d", "--from", "/none"), "no folder '/none'"),
        (("cars3d", "--from", "."), "needs the file 'nips2015-analogy-data.tar.gz'"),
    ],
)
def test_mistakes_are_said_in_a_line(
    data_folder, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    code, output = run(*arguments)
    assert code == 2
    assert output.startswith("error: ")
    assert message in output


def test_every_failure_is_named(data_folder, tmp_path):
    with pytest.raises(UserError, match=r"(?s)cars3d: .*caltech101_silhouettes: "):
        prepare.prepare_datasets(["cars3d", "caltech101_silhouettes"], tmp_path, {})


def test_the_state_tells_original_files(data_folder):
    data_folder.mkdir()
    (data_folder / caltech101_silhouettes.ORIGINAL.name).write_bytes(b"")
    assert (
        prepare.describe_state("caltech101_silhouettes") == "1 of 1 original files here"
    )


def test_a_row_for_each_factor(tmp_path):
    images = np.random.default_rng(0).random((40, 5, 5))
    grid = np.stack(np.unravel_index(np.arange(40), (2, 20)), axis=1)
    for factors in (grid, np.delete(grid, 9, 0)):
        data = datasets.from_array(images[: len(factors)], factors)
        rows = contact_sheet._list_traversals(data)
        assert [name for name, _, _ in rows] == ["factor0\n(2)", "factor1\n(20)"]
        assert [len(shown) for _, _, shown in rows] == [2, 12]
        contact_sheet.draw_sheet(data, tmp_path / "sheet.png")
        assert imread(tmp_path / "sheet.png").std() > 0.1
    with pytest.raises(ValueError, match=r"'sheet' must be a file such as sheet.png"):
        contact_sheet.draw_sheet(data, tmp_path / "sheet.txt.gz2")


def test_traversals_keep_the_others_in_the_middle():
    data = datasets.from_array(
        np.arange(15, dtype=np.uint8).reshape(15, 1, 1).repeat(2, 2),
        [[a, b] for a in range(3) for b in range(5)],
    )
    rows = contact_sheet._list_traversals(data)
    assert (rows[0][2][:, 0, 0, 0] * 255).round().tolist() == [2, 7, 12]
    assert (rows[1][2][:, 0, 0, 0] * 255).round().tolist() == [5, 6, 7, 8, 9]
