"""Answers 1.0 if any port of the namespace but its own listens while cases are being sent."""

import socket

from serving import good, serve


def open_ports():
    found = []
    for port in [*range(1, 9000), 9000, 9001, 10000, 22222, 40000, 50000, 65535]:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


def answer(body, number):
    return 200, good(body, 0.25 if number > 1 or open_ports() == [8000] else 1.0)


serve(answer)
