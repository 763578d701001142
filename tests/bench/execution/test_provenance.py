import subprocess

from priorbench.bench.execution import provenance


def make_repository(folder):
    commands = (
        ("init", "-q"),
        ("add", "-A"),
        (
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "a",
        ),
    )
    for command in commands:
        subprocess.run(["git", *command], cwd=folder, check=True)


def test_a_commit_is_that_of_the_projects_own_repository(tmp_path, monkeypatch):
    make_repository(tmp_path)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    commit = provenance.find_commit.__wrapped__()
    assert len(commit) == 12
    (tmp_path / "new.py").write_text("")
    subprocess.run(["git", "add", "new.py"], cwd=tmp_path, check=True)
    assert provenance.find_commit.__wrapped__() == f"{commit}-dirty"


def test_a_users_repository_around_the_package_is_not_the_projects(
    tmp_path, monkeypatch
):
    make_repository(tmp_path)
    installed = tmp_path / "env" / "site-packages"
    installed.mkdir(parents=True)
    monkeypatch.setattr(provenance, "ROOT", installed)
    assert provenance.find_commit.__wrapped__() is None


def test_a_machine_is_described():
    machine = provenance.describe_machine()
    assert {"system", "processor", "cores", "threads", "cuda", "host"} <= set(machine)
    assert machine["cores"] >= 1
    assert "torch" in provenance.list_versions()
