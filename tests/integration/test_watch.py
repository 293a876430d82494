"""What a test run started does not outlive it, however it ends."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from tests.harness import IMPORT_ROOT, is_running, wait_until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
RUN = f"""
import subprocess, sys, time
from tests.services.watch import watch

sleepers = [subprocess.Popen({SLEEPER}, stdout=subprocess.DEVNULL, start_new_session=True) for _ in range(2)]
for sleeper in sleepers:
    watch.over(sleeper.pid)
watch.forget(sleepers[0].pid)
print(*(sleeper.pid for sleeper in sleepers), flush=True)
"""
"""A run that starts two processes and takes one of them out of the watch."""


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_run_that_is_killed_takes_along_what_it_did_not_end(is_killed: bool) -> None:
    program = RUN + "time.sleep(600)" * is_killed
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=IMPORT_ROOT) as run:
        forgotten, watched = map(int, run.stdout.readline().split())
        if is_killed:
            run.kill()
    try:
        if is_killed:
            wait_until(lambda: not is_running(watched), 30, what="the watched process to be killed")
        assert is_running(forgotten)
        assert is_running(watched) is not is_killed
    finally:
        for pid in filter(is_running, (forgotten, watched)):
            psutil.Process(pid).kill()
