"""The time-outs of a connection to PostgreSQL, as options of Django's backend."""

from __future__ import annotations

from typing import Any

CONNECT_S = 3
# TCP: a peer that vanished is noticed after idle + interval x count seconds, or when sent data stay unacknowledged.
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
UNACKNOWLEDGED_MS = 10_000


def postgres_timeouts(answer_seconds: float) -> dict[str, Any]:
    """Return options for processes that wait at most so long for one answer; 0: for as long as it takes.

    The server ends the statement, and the wait for a lock, a little before the client gives up on it.
    """
    options: dict[str, Any] = {"connect_timeout": CONNECT_S, "tcp_user_timeout": UNACKNOWLEDGED_MS, **KEEPALIVE}
    if answer_seconds:
        statement_ms = int(answer_seconds * 900)
        options["answer_seconds"] = answer_seconds
        options["options"] = f"-c statement_timeout={statement_ms} -c lock_timeout={statement_ms}"
    return options
