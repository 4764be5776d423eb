"""Slowloris protection: gunicorn's worker process with an event loop, so that slow clients hold no thread.

This is the only module that depends on gunicorn's internals. gunicorn starts, watches and replaces the processes;
event_loop.py handles their connections. The class extends `Worker`, the base class that gunicorn documents for custom
workers, and uses `run`, `alive`, `notify`, `sockets`, `wsgi`, `cfg` and `ppid`. A test reports which of them an update
has changed.
"""

import os
import resource
import sys
from typing import Any

from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from lunasite.env import Env
from lunasite.serving.address_share import MAX_CONNECTIONS, AddressShare
from lunasite.serving.event_loop import NO_LIMIT, EventLoop

TURN_S = 0.5
MAX_FILES = 8192
# The loop releases the interpreter lock (GIL) at each read of a body, and would wait 5 ms behind a busy thread to
# get it back.
SWITCH_S = 0.0005


class HeaderBufferingThreadWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """Give a request a thread only after its head and its body have arrived."""

    def run(self) -> None:
        """Serve until gunicorn stops the process, or until it has answered its maximum number of requests."""
        allow_many_files()
        sys.setswitchinterval(SWITCH_S)
        loop = EventLoop(
            self.sockets,
            self.wsgi,
            threads=self.cfg.threads,
            idle_s=self.cfg.keepalive,
            free_bytes=getattr(self.wsgi, "free_body_bytes", NO_LIMIT),
            judge=getattr(self.wsgi, "judge", None),
            share=_share(os.environ),
        )
        while self.alive and self.ppid == os.getppid() and loop.answered < self.max_requests:
            self.notify()
            loop.turn(TURN_S)
        loop.stop(self.cfg.graceful_timeout)


def allow_many_files() -> None:
    """Raise the limit of open files, so that each connection can have a socket and a temporary file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _share(environment: Any) -> AddressShare:
    """Return the connection limits; behind a proxy, all connections share its address, so the proxy limits clients."""
    is_behind_proxy = Env(environment).whole("PROXY_COUNT", 0) > 0
    return AddressShare(MAX_CONNECTIONS) if is_behind_proxy else AddressShare()
