"""The site under waitress, in several processes that share one listening socket: a candidate of decision 9.

python -m benchmarks.reference.waitress_site MODULE:APPLICATION PORT PROCESSES
"""

import importlib
import os
import signal
import socket
import sys

import waitress


def main() -> None:
    name, port, processes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    children = []
    for _ in range(processes):
        if (child := os.fork()) == 0:
            serve(name, listener)
        children.append(child)
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(child, signal.SIGTERM) for child in children])
    for child in children:
        os.waitpid(child, 0)


def serve(name: str, listener: socket.socket) -> None:
    module, _, application = name.partition(":")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    waitress.serve(
        getattr(importlib.import_module(module), application),
        sockets=[listener], threads=8, connection_limit=2000, channel_timeout=20, recv_bytes=1 << 18,
        asyncore_use_poll=True, max_request_body_size=1 << 35, _quiet=True,
    )  # fmt: skip
    os._exit(0)


if __name__ == "__main__":
    main()
