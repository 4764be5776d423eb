"""The only module that knows gunicorn from inside: its worker process, in which slow clients hold no thread.

gunicorn starts, watches and replaces the processes; what one does with connections is in event_loop.py. Of gunicorn
this uses the `Worker` that its settings name as the way to write one: `run`, `alive`, `notify`, `sockets`, `wsgi`,
`cfg`, `ppid`. A test names whichever of them an update has changed.
"""

import os
import resource
import sys
from typing import Any

from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from lunasite.serving.address_share import MOST, AddressShare
from lunasite.serving.event_loop import NO_LIMIT, EventLoop

TURN_S = 0.5
MOST_FILES = 8192
# The loop gives up the interpreter's lock at each read of a body, and would wait 5 ms for it behind a busy thread.
SWITCH_S = 0.0005


class HeaderBufferingThreadWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """Gives a thread to a request only once its head and its body are there."""

    def run(self) -> None:
        """Serve until told to stop, or until the process has answered its share of requests."""
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
    """Let each connection have a socket and a temporary file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _share(environment: Any) -> AddressShare:
    """Behind a proxy every connection comes from the proxy: then the bound of one address is its business."""
    is_behind_proxy = environment.get("PROXY_COUNT", "0") not in ("", "0")
    return AddressShare(MOST) if is_behind_proxy else AddressShare()
