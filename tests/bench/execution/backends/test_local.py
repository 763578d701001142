"""The pool of processes of the local back end."""

import multiprocessing.util
import os
import time

import joblib

from priorbench.bench.execution.backends.local import end_pool


def hang_at_the_end():
    multiprocessing.util.Finalize(None, time.sleep, args=(600,), exitpriority=100)


def test_a_process_that_would_not_end_is_ended():
    """It would keep its command from ending, all of whose runs are done."""
    with joblib.parallel_config("loky", initializer=hang_at_the_end, initargs=()):
        tasks = (joblib.delayed(os.getpid)() for _ in range(4))
        pids = set(joblib.Parallel(n_jobs=2)(tasks))
    end_pool()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_pool_that_nobody_began_is_ended_as_well():
    end_pool()
    end_pool()
