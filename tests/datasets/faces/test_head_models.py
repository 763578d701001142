import shutil

import numpy as np
import pytest

from priorbench.datasets.faces.head_models import FILES, find_head_model
from priorbench.datasets.faces.linear import LinearHead


def test_a_label_follows_the_content(data_folder, tmp_path):
    data_folder.mkdir()
    named = data_folder / "ict_identity_50modes.npz"
    np.savez(named, neutral=np.zeros(3))
    shutil.copy(named, tmp_path / "copy.npz")
    first = find_head_model("ict")
    assert first.path == named
    assert first.label.startswith("ict-")
    other = find_head_model(str(tmp_path / "copy.npz"))
    assert other.label.removeprefix("file-") == first.label.removeprefix("ict-")
    np.savez(named, neutral=np.ones(3))
    assert find_head_model("ict").label != first.label


def test_a_real_model_is_found_and_read(data_folder, shared_faces):
    data_folder.mkdir()
    shutil.copy(shared_faces, data_folder)
    assert isinstance(find_head_model("ict").load(), LinearHead)


def test_unknown_models_are_named():
    with pytest.raises(
        ValueError, match=r"'model' must be one of procedural, .*'procedurl'; did"
    ):
        find_head_model("procedurl")
    with pytest.raises(ValueError, match="got 3"):
        find_head_model(3)


@pytest.mark.parametrize("model", ["bfm", "ict", "nowhere/model.npz"])
def test_a_missing_file_says_where_it_is_expected(data_folder, model):
    expected = FILES.get(model, model)
    with pytest.raises(
        ValueError, match=rf"{expected}', where there is no such file; put it ther"
    ):
        find_head_model(model)
