"""The campaigns in small; in full with ``-m slow``, or each by its own command."""

from collections import Counter

import pytest

from tests.campaign.bit_flips import flip_bits
from tests.campaign.kills import run_kills
from tests.campaign.malformed import run_malformed


@pytest.mark.parametrize(
    "count", [100, pytest.param(2000, marks=pytest.mark.slow)], ids=["small", "full"]
)
def test_no_flipped_bit_is_accepted(count):
    assert flip_bits(count) == Counter(noticed=count)


@pytest.mark.parametrize(
    "count", [15, pytest.param(400, marks=pytest.mark.slow)], ids=["small", "full"]
)
def test_malformed_input_is_one_line(count, capsys):
    outcomes = run_malformed(count)
    assert outcomes.keys() <= {"refused", "accepted"}, capsys.readouterr().out
    assert outcomes["refused"] > count / 2


@pytest.mark.slow
def test_kills_lose_and_leave_nothing(capsys):
    _, faults = run_kills(300)
    assert not faults, capsys.readouterr().out
