import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from priorbench.datasets import caltech101_silhouettes, prepare
from priorbench.datasets.base import registry
from priorbench.errors import UserError


def run(*arguments):
    result = CliRunner().invoke(
        prepare.app, [str(a) for a in arguments], env={"COLUMNS": "400"}
    )
    return result.exit_code, result.output


def test_the_list_shows_every_dataset(data_folder):
    code, output = run("--list")
    assert code == 0
    for name in registry.names():
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
    def load_mine():
        """Images of mine."""

    monkeypatch.setattr(registry, "_entries", {"mine": load_mine})
    output = run("--list")[1]
    assert "mine" in output
    assert "Images of mine." in output


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
        (("all", "--sheet", "a.png"), "--sheet and --set are for one dataset"),
        (("omniglot", "dsprites", "--set", "seed=1"), "got omniglot dsprites"),
        (("cars3d", "--set", "seed"), "--set 'seed': write it key=value"),
        (("omniglot", "--set", "sed=1"), "no argument 'sed'; did you mean 'seed'"),
        (("omniglot", "--set", "seed=[1"), "'[1' is not a TOML value"),
        (("none.npz",), "there is no file or folder 'none.npz'"),
        (("--list", "--plugin", "mine.py"), "plug-in 'mine.py': there is no such file"),
        (("cars3d", "--from", "/none"), "no folder '/none'"),
        (("cars3d", "--from", "."), "needs the file 'nips2015-analogy-data.tar.gz'"),
    ],
)
def test_mistakes_are_told_in_a_line(
    data_folder, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    code, output = run(*arguments)
    assert code == 2
    assert output.startswith("error: ")
    assert message in output


def test_every_failure_is_named(data_folder, tmp_path):
    with pytest.raises(UserError, match=r"(?s)cars3d: .*caltech101_silhouettes: "):
        prepare.prepare_datasets(["cars3d", "caltech101_silhouettes"], tmp_path)


def test_the_state_tells_original_files(data_folder):
    data_folder.mkdir()
    (data_folder / caltech101_silhouettes.ORIGINAL.name).write_bytes(b"")
    assert (
        prepare.describe_state("caltech101_silhouettes") == "1 of 1 original files here"
    )


def test_a_file_of_ones_own_is_prepared(tmp_path):
    path, sheet = tmp_path / "mine.npz", tmp_path / "sheet.png"
    np.savez(path, images=np.random.default_rng(0).random((40, 6, 6)))
    code, output = run(path, "--set", "test=0.2", "--sheet", sheet)
    assert code == 0, output
    assert "40 images; train=28, valid=4, test=8; your own" in output
    assert imread(sheet).std() > 0.1


def test_a_bug_of_the_project_is_not_hidden(data_folder, monkeypatch):
    monkeypatch.setattr(prepare, "load_dataset", {}.__getitem__)
    with pytest.raises(KeyError, match="caltech101_silhouettes"):
        prepare.prepare_datasets(["caltech101_silhouettes"])
