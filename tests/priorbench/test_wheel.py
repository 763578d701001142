"""The wheel: whole in another folder, and of one import name."""

import base64
import hashlib
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("priorbench", "bench", "datasets", "metrics", "priors")
STRANGER = "datasets-9.9-py3-none-any.whl"


def run(*command, cwd, env=None):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in PARTS:
        shutil.copytree(ROOT / part, source / part, ignore=unwanted)
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ("--no-deps", "--no-build-isolation", "-q", "-w", source / "dist")
    run(sys.executable, "-m", "pip", "wheel", source, *options, cwd=source)
    (found,) = (source / "dist").iterdir()
    return found


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A wheel that claims the name ``datasets``, as Hugging Face's does."""
    files = {
        "datasets/__init__.py": "OWNER = 'stranger'\n",
        "datasets/base.py": "",
        "datasets/arrays.py": "",
        "datasets-9.9.dist-info/METADATA": "Metadata-Version: 2.1\n"
        "Name: datasets\nVersion: 9.9\n",
        "datasets-9.9.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},{make_digest(text.encode())},{len(text)}"
        for name, text in files.items()
    ]
    files["datasets-9.9.dist-info/RECORD"] = "\n".join(
        [*record, "datasets-9.9.dist-info/RECORD,,", ""]
    )
    path = tmp_path_factory.mktemp("stranger") / STRANGER
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def make_digest(content):
    digest = hashlib.sha256(content).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def find_missing(site, distribution):
    """Return the recorded files of a distribution that are absent or changed."""
    (folder,) = site.glob(f"{distribution}-*.dist-info")
    missing = []
    for line in (folder / "RECORD").read_text().splitlines():
        name, digest, _ = line.rsplit(",", 2)
        file = site / name
        if digest and (not file.is_file() or make_digest(file.read_bytes()) != digest):
            missing.append(name)
    return missing


def test_a_wheel_claims_one_name(wheel):
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"priorbench"}


def test_a_wheel_runs_a_dry_run_from_another_folder(wheel, tmp_path):
    site, work = tmp_path / "site", tmp_path / "work"
    zipfile.ZipFile(wheel).extractall(site)
    (work / "datasets").mkdir(
        parents=True
    )  # a user's own, which must not be in the way
    (work / "metrics.py").write_text("raise RuntimeError('this is not yours')\n")
    program = (
        "import sys; site, *sys.argv = sys.argv[1:]; sys.path.insert(1, site)\n"
        "import priorbench.bench.main as console\n"
        "assert console.__file__.startswith(site)\n"
        "console.main()"
    )
    environment = {"PRIORBENCH_DATA": str(tmp_path / "data"), "PATH": ""}

    def run_console(*words):
        command = (sys.executable, "-c", program, site, "priorbench", *words)
        return run(*command, cwd=work, env=environment)

    grids = [path.stem for path in (ROOT / "bench" / "grids").glob("*.toml")]
    listed = run_console("list", "grids")
    assert all(grid in listed for grid in grids)
    words = ("dsprites_beta", "--profile", "demo", "--only", "β-VAE", "--dry-run")
    assert "4 runs" in run_console("run", *words)


def test_a_wheel_has_checksums_and_published_tables(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, pattern in (
        ("bench", "grids/*.toml"),
        ("bench", "published/*.csv"),
        ("datasets", "checksums/*.txt"),
        ("priorbench", "py.typed"),
    ):
        files = [path.relative_to(ROOT) for path in (ROOT / folder).glob(pattern)]
        assert files
        for file in files:
            own = str(file) if folder == "priorbench" else f"priorbench/{file}"
            assert own in names


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_stranger_of_the_name_datasets_leaves_the_package_whole(
    wheel, stranger, ours_first, tmp_path
):
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    install = (*pip, "install", "-q", "--no-deps", "--no-index", "--no-compile")
    for one in (wheel, stranger) if ours_first else (stranger, wheel):
        run(*install, one, cwd=tmp_path)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    assert not find_missing(site, "priorbench")
    assert not find_missing(site, "datasets")
    program = "import datasets, priorbench; print(datasets.OWNER)"
    assert run(python, "-c", program, cwd=tmp_path) == "stranger\n"
    run(*pip, "uninstall", "-q", "-y", "datasets", cwd=tmp_path)
    assert not find_missing(site, "priorbench")
