"""Configuration of gunicorn: the worker class, its threads, and metrics shared between processes."""

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
    """Start loading the models beside a new web process, so that the first call does not wait for them."""
    from inference.model_service import engine

    with contextlib.suppress(OSError):  # on failure, the first call tries again
        engine().start()


def child_exit(server: Any, worker: Any) -> None:
    """Remove the gauges of a process that has exited."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
