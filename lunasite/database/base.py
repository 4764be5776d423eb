"""A PostgreSQL connection that gives up: on a server that is reachable and yet does not answer, a query fails in time.

The server's own `statement_timeout` does not help where the server itself hangs (a stopped process, a stuck disk), and
TCP's time-outs do not either, since the kernel goes on acknowledging. So the wait for an answer is limited here. After
one failure further connections are refused at once for a moment: a page would otherwise wait again for each query.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import errors

REFUSED_FOR_S = 1.0
_refused_until = 0.0


def _refuse_for_a_moment() -> None:
    global _refused_until
    _refused_until = time.monotonic() + REFUSED_FOR_S


class TimedConnection(psycopg.Connection[Any]):
    """A connection that closes itself when an answer takes longer than `answer_seconds`; None: it waits for ever."""

    answer_seconds: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = self.answer_seconds if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except errors._WaitTimeout as error:
            if timeout is not None:
                raise
            self.pgconn.finish()
            _refuse_for_a_moment()
            raise errors.OperationalError(f"the database did not answer within {limit:g} s") from error


class DatabaseWrapper(base.DatabaseWrapper):
    """Option `answer_seconds`: how long to wait for the answer to one query; 0 or absent: for ever."""

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params.pop("answer_seconds", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection[Any]:
        answer_seconds = self.settings_dict["OPTIONS"].get("answer_seconds") or None
        if answer_seconds and time.monotonic() < _refused_until:
            raise errors.OperationalError("the database did not answer a moment ago")
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        try:
            connection = TimedConnection.connect(**conn_params)
        except errors.OperationalError:
            _refuse_for_a_moment()
            raise
        connection.answer_seconds = answer_seconds
        return connection
