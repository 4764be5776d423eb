"""How gunicorn runs the site: threads for waiting uploads, counters shared between processes."""

import contextlib
from typing import Any

worker_class = "lunasite.serving.slowloris.HeaderBufferingThreadWorker"
threads = 8
timeout = 120
graceful_timeout = 15
keepalive = 15
max_requests = 20_000
max_requests_jitter = 2_000
accesslog = None
errorlog = "-"
loglevel = "warning"
proc_name = "lunasite"
forwarded_allow_ips = "127.0.0.1"


def post_worker_init(worker: Any) -> None:
    """Begin to load the models beside a new web process, so that nobody's first call waits for them."""
    from inference.model_service import engine

    with contextlib.suppress(OSError):  # then the first call tries again
        engine().start()


def child_exit(server: Any, worker: Any) -> None:
    """Forget the gauges of a process that is gone."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
