"""Prove on a node that memory and the number of processes are bounded, by taking more than is allowed."""

from __future__ import annotations

import subprocess
import sys

from submissions.runner.host.selftest import Check
from submissions.runner.memory_group import MemoryGroup
from submissions.runner.values import MIB

# A child that takes so many bytes and writes to them; it is to be ended before anybody else.
TAKE = (
    "import os, sys; open('/proc/self/oom_score_adj', 'w').write('1000'); "
    "held = bytearray(int(sys.argv[1])); print('not stopped')"
)
TAKE_S = 60


def memory_checks(group: MemoryGroup, job_mib: int) -> list[Check]:
    """Return whether the batch system ends what takes more memory than the job asked for."""
    limit, before = group.limit_bytes(), group.kills()
    if not 0 < limit <= job_mib * MIB:
        detail = f"limit {limit >> 20} MiB, asked for {job_mib}: set ConstrainRAMSpace=yes in cgroup.conf"
        return [Check("memory of the job", False, detail)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", TAKE, str(2 * limit)],
        capture_output=True, text=True, timeout=TAKE_S, check=False,
    )  # fmt: skip
    was_stopped = done.returncode == -9 and group.kills() > before
    detail = f"limit {limit >> 20} MiB, exit {done.returncode}, {group.kills() - before} killed"
    return [Check("memory of the job", was_stopped, detail)]
