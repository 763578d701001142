"""What a command does about signals."""

import os
import signal

import pytest

from priorbench.bench.execution import stopping
from priorbench.bench.execution.stopping import Stopped, stop_on_signals


@pytest.fixture
def timers(monkeypatch):
    """Timers that were started, instead of those that would end the tests."""
    started = []

    class Timer:
        def __init__(self, seconds, function, arguments):
            self.ends = function, arguments
            self.seconds = seconds

        def start(self):
            started.append(self)

    monkeypatch.setattr(stopping.threading, "Timer", Timer)
    return started


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_the_command_and_sets_it_a_last_time(name, timers):
    signum = getattr(signal, name)
    before = signal.signal(signum, signal.SIG_DFL)
    try:
        with pytest.raises(Stopped) as stop, stop_on_signals():
            os.kill(os.getpid(), signum)
        assert stop.value.status == 128 + signum
        assert signal.getsignal(signum) is signal.SIG_DFL
    finally:
        signal.signal(signum, before)
    (timer,) = timers
    assert timer.daemon
    assert timer.ends == (stopping._end_now, (128 + signum,))


def test_what_nohup_ignores_stays_ignored(timers):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not timers
