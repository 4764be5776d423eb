"""Notice statements that change public content, whatever wrote them: ORM, admin, bulk writes or SQL by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

WRITES = re.compile(
    r"\s*(?:INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)"
    r'\s+(?:ONLY\s+)?(?:"?\w+"?\.)?"?(\w+)"?',
    re.IGNORECASE,
)
# Tables of which no public page shows anything that is not also written elsewhere; every other table, a new one
# included, is public content. Evaluations: a score reaches a page through the board's rows, written with it in one
# transaction, and a heartbeat every few seconds must not empty the cache.
UNSHOWN = frozenset(
    {
        "cache_entries",
        "django_admin_log",
        "django_migrations",
        "django_session",
        "submissions_apitoken",
        "submissions_auditevent",
        "submissions_delivery",
        "submissions_datasetimport",
        "submissions_evaluation",
        "submissions_evaluationevent",
        "submissions_host",
        "submissions_incident",
        "submissions_mailchoice",
        "submissions_message",
        "submissions_modelarchive",
        "submissions_periodicjob",
        "submissions_upload",
        "submissions_usernameskeleton",
        "submissions_webhook",
        "submissions_worker",
    }
)
# Statements on shown tables that change nothing shown: a submission without a score, and whose turn it is in the queue.
UNSHOWN_STATEMENTS = re.compile(r'INSERT INTO "submissions_submission" |UPDATE "submissions_team" SET "served_at" = ')
UNSHOWN_APPS = ("account_", "axes_", "django_q_", "http_", "inference_", "knox_", "mfa_")


def written_table(sql: str) -> str:
    """Return the table that a statement writes, "" where it writes none."""
    found = WRITES.match(sql) if sql.lstrip()[:1] in "IiRrUuDdTt" else None
    return found[1].lower() if found else ""


def is_shown(table: str) -> bool:
    """Return whether a public page may show something of a table."""
    return bool(table) and table not in UNSHOWN and not table.startswith(UNSHOWN_APPS)


def changes_content(sql: str) -> bool:
    """Return whether a statement may change what a public page shows."""
    return is_shown(written_table(sql)) and not UNSHOWN_STATEMENTS.match(sql)


def watch(changed: Callable[[], None]) -> Callable[..., Any]:
    """Return a wrapper of a connection's `execute` that calls `changed` after each write of public content."""

    def watched(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        result = execute(sql, params, many, context)
        if isinstance(sql, str) and changes_content(sql):
            changed()
        return result

    return watched
