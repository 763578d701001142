"""The console command, and the lists of what a grid can name."""

import pytest
from typer.testing import CliRunner

import priorbench
from priorbench import metrics, priors
from priorbench.bench import listing
from priorbench.bench.main import COMMANDS, make_console_app
from priorbench.bench.models import architectures
from priorbench.bench.study.grid_file import list_grids


def call_console(*words, **options):
    return CliRunner(env={"COLUMNS": "200"}).invoke(
        make_console_app(words), words, prog_name="priorbench", **options
    )


def test_every_command_is_shown():
    shown = call_console("--help").output
    assert all(command in shown for command in COMMANDS)
    assert "--install-completion" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_options(command):
    done = call_console(command, "--help")
    assert done.exit_code == 0
    assert "--debug" in done.output
    assert command == "figures" or "--plugin" in done.output


def test_the_version_is_shown():
    assert call_console("--version").output == f"priorbench {priorbench.__version__}\n"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("grids", list_grids()),
        ("priors", priors.registry.names()),
        ("metrics", metrics.registry.names()),
        ("architectures", architectures.registry.names()),
        ("objectives", ["beta_vae", "factor_vae"]),
        ("datasets", ["dsprites", "cars3d"]),
        ("likelihoods", ["bernoulli", "gaussian"]),
    ],
)
def test_each_kind_is_listed_with_what_it_is(kind, names):
    lines = call_console("list", kind).output.splitlines()
    assert lines[0].strip() == kind
    described = {words[0] for words in map(str.split, lines[1:]) if len(words) > 3}
    assert described >= set(names)


def test_a_plugin_is_listed(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from priorbench import metrics\n"
        "@metrics.register('mine_alone')\n"
        "def mine_alone(codes):\n"
        "    'Count nothing at all.'\n"
        "    return {'mine_alone': 0.0}\n"
    )
    try:
        shown = call_console("list", "metrics", "--plugin", str(plugin)).output
        assert "mine_alone" in shown
        assert "Count nothing at all." in shown
    finally:
        del metrics.registry._entries["mine_alone"]


def test_an_unknown_kind_is_named(capsys):
    done = call_console("list", "prior")
    assert done.exit_code == 2
    assert "unknown kind 'prior'; did you mean 'priors'?" in done.stderr
    assert listing.KINDS[0] == "grids"
