"""Configuration of gunicorn: the worker class, its threads, and metrics shared between processes."""

import contextlib
import os
from typing import Any

from lunasite.env import Env
from lunasite.logging import LEVELS, logging_config

worker_class = "lunasite.serving.slowloris.HeaderBufferingThreadWorker"
threads = 8
timeout = 120
graceful_timeout = 15
keepalive = 15
max_requests = 20_000
max_requests_jitter = 2_000
accesslog = None  # lunasite.middleware.request_log writes it
# gunicorn's own lines in the site's form, so that LOG_FORMAT=json is JSON to the last line; read as settings.py does.
logconfig_dict = logging_config(
    Env().choice("LOG_FORMAT", "line", ("line", "json")),
    Env().choice("LOG_LEVEL", "INFO", LEVELS),
    extra={"gunicorn.error": {"level": "WARNING", "handlers": ["stderr"], "propagate": False}},
)
umask = 0o077  # as lunasite.files_at_rest sets it for every other process
proc_name = "lunasite"
forwarded_allow_ips = "127.0.0.1"


def post_worker_init(worker: Any) -> None:
    """Start loading the models beside a new web process, so that the first call does not wait for them."""
    from django.conf import settings

    from inference.model_service import engine
    from lunasite.files_at_rest import tell_wider_rights

    tell_wider_rights(settings.DATA_DIR)

    with contextlib.suppress(OSError):  # on failure, the first call tries again
        engine().start()


def child_exit(server: Any, worker: Any) -> None:
    """Remove the gauges of a process that has exited."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
