"""How much room the engine's disk has, wherever the engine is."""

from __future__ import annotations

import json
import os
import secrets

from submissions.runner.attempt import Host, attempt_on, wait_exited
from submissions.runner.base import EngineFault
from submissions.runner.host.reaper import ROWLESS
from submissions.runner.values import MIB, ContainerSpec

LIFETIME_S = 60.0


def engine_free_bytes(host: Host) -> int:
    """Return the free bytes of the engine's storage: looked up here, or through a container of ours."""
    root = host.engine.facts().root
    if host.engine.is_local and os.path.isdir(root):
        sizes = os.statvfs(root)
        return sizes.f_bavail * sizes.f_frsize
    return _asked(host)


def _asked(host: Host) -> int:
    """Ask from inside: a container's root reports the free space of the disk below it."""
    labels = host.labels(f"{ROWLESS}-free-{secrets.token_hex(3)}", 0, LIFETIME_S)
    spec = ContainerSpec(
        name=labels.name("free"),
        image_id=host.driver_image,
        labels=labels.of("free"),
        network="none",
        memory_bytes=64 * MIB,
        pids=32,
        command=["free"],
    )
    with attempt_on(host.engine) as attempt:
        container = attempt.create(spec)
        host.engine.start(container)
        wait_exited(host.engine, container, timeout_s=20)
        text = host.engine.logs(container)
    try:
        return int(json.loads(text)["free_bytes"])
    except (ValueError, KeyError) as error:
        raise EngineFault("The engine's free disk is unknown.", staff_detail=text[-500:]) from error
