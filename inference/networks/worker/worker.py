"""The model process: load the models, report their states, then answer requests on the socket at standard input.

process.py starts it with a separate environment. It holds no secret and may be killed at any moment; it ends when
the socket closes.
"""

import argparse
import ctypes
import gc
import logging
import os
import queue
import resource
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from inference.networks.answers import ModelStatus
from inference.networks.worker.wire import error_to_json, receive_frame, send_frame, to_json

log = logging.getLogger("inference.worker")

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38


def main() -> None:
    arguments = _arguments()
    _limit(arguments.memory_bytes)
    connection = socket.socket(fileno=os.dup(0))
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, requests), daemon=True).start()
    jobs, statuses = _load(arguments)
    gc.freeze()
    send_frame(connection, to_json(statuses))
    while True:
        send_frame(connection, _answer(jobs, requests.get()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slice", nargs=2, type=Path, required=True)
    parser.add_argument("--lesion", nargs=2, type=Path, required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--no-models", action="store_true")
    return parser.parse_args()


def _limit(memory_bytes: int) -> None:
    """Limit the memory that a faulty decoder can take, and disable core files, which could hold a sender's pixels."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _receive(connection: socket.socket, requests: "queue.SimpleQueue[Any]") -> None:
    """Queue requests, and exit when the web worker is gone."""
    try:
        while True:
            requests.put(receive_frame(connection))
    except Exception:  # noqa: BLE001 whatever closed the connection, there is nobody left to answer
        os._exit(0)


def _load(arguments: argparse.Namespace) -> tuple[Any, list[ModelStatus]]:
    if arguments.no_models:
        from inference.networks.worker.jobs import RequestHandlers

        return RequestHandlers(None, None), []
    from inference.networks.worker.loading import load_jobs, use_one_thread

    use_one_thread()
    return load_jobs(lesion=arguments.lesion, slices=arguments.slice)


def _answer(jobs: Any, request: Any) -> dict[str, Any]:
    try:
        return {"answer": to_json(jobs.run(request))}
    except Exception as error:  # this process must survive any input; the caller gets an error code
        message = error_to_json(error)
        if message["code"] == "PROCESSING_ERROR":
            log.exception("a request failed")
        return {"error": message}


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    main()
