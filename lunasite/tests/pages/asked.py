"""What a page asks the database, apart from what counts its reader's calls."""

from collections.abc import Iterable

COUNTER = '"http_callcount"'
SAVEPOINTS = ("SAVEPOINT", "RELEASE SAVEPOINT")


def asked(queries: Iterable[dict[str, str]]) -> list[str]:
    """Return the statements that read a page's data, session and person.

    The counter of calls is left out: it is of one row whatever the page holds, and its first call makes the row.
    queries: of CaptureQueriesContext.
    """
    statements = (query["sql"] for query in queries)
    return [sql for sql in statements if COUNTER not in sql and not sql.startswith(SAVEPOINTS)]
