"""P11: the board of the best of each team, from standings, against a window query; and what the other boards take.

100,000 scored submissions of 2,000 teams in one phase; SQLite always, PostgreSQL where `make services` runs one.
Run: make bench-leaderboard
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

# The alternative: every evaluation's score in a column, the best of each team picked when asked.
WINDOW = """
SELECT team_id, score, submitted_at FROM (
    SELECT team_id, bench_score AS score, s.created_at AS submitted_at,
           ROW_NUMBER() OVER (PARTITION BY team_id ORDER BY bench_score DESC, s.created_at) AS place
    FROM submissions_evaluation e JOIN submissions_submission s ON s.id = e.submission_id
    WHERE phase_id = %s AND is_current AND NOT is_hidden AND NOT is_baseline
) AS best WHERE place = 1 ORDER BY score DESC, submitted_at LIMIT 50
"""
# The same over a narrow copy of the entries with an index made for it: the best that a window query can do.
NARROW = """
SELECT team_id, score, submitted_at FROM (
    SELECT team_id, score, submitted_at,
           ROW_NUMBER() OVER (PARTITION BY team_id ORDER BY score DESC, submitted_at) AS place
    FROM plain_entries WHERE phase_id = %s
) AS best WHERE place = 1 ORDER BY score DESC, submitted_at LIMIT 50
"""


def main() -> None:
    from benchmarks.harness.rounds import machine

    print(f"bench-leaderboard, {machine()}, 100,000 entries of 2,000 teams", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run_on("SQLite", f"sqlite:///{folder}/bench.sqlite3", folder)
        server = os.environ.get("LUNASITE_TEST_DATABASE_URL", "")
        if server.startswith("postgres"):
            run_on_postgres(server, folder)
        else:
            print("PostgreSQL: not measured, LUNASITE_TEST_DATABASE_URL names none (make services)")


def run_on(name: str, url: str, folder: str) -> None:
    environment = os.environ | {"DATABASE_URL": url, "DATA_DIR": folder}
    subprocess.run([sys.executable, __file__, name], env=environment, check=True)


def run_on_postgres(server: str, folder: str) -> None:
    """Measure in a database of our own, dropped afterwards."""
    import psycopg
    from psycopg import sql

    name = f"bench_{uuid.uuid4().hex[:8]}"
    url = server.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            run_on("PostgreSQL", url, folder)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def measure(name: str) -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "lunasite.settings"
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.harness.filled_board import fill

    call_command("migrate", verbosity=0)
    phase = fill()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    measure_top(name, phase)
    measure_pages(phase)
    measure_every_entry(phase)
    count_queries(phase)


def measure_top(name: str, phase: Any) -> None:
    """The first fifty of the best of each team, against window queries that give the same."""
    from django.contrib.auth.models import AnonymousUser
    from django.db import connection

    from benchmarks.harness.rounds import compare
    from leaderboard import standings
    from leaderboard.boards import board_of

    board = board_of(phase, AnonymousUser())

    def window(query: str = WINDOW) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(query, [phase.pk])
            return list(cursor.fetchall())

    def top_50() -> list[Any]:
        return standings._ranked_slice(board, 0, 50)

    assert [place.contender.keys[0] for place in top_50()] == [round(row[1], 4) for row in window()]
    compare(
        f"{name}: top 50",
        (top_50, 20),
        {"window query": (window, 3), "window query over a narrow indexed copy": (lambda: window(NARROW), 3)},
        "20 on SQLite, 10 on PostgreSQL",
    )


def measure_pages(phase: Any) -> None:
    """Pages of the board of the best, as they are shown."""
    from django.contrib.auth.models import AnonymousUser

    from leaderboard import standings
    from leaderboard.boards import board_of

    board = board_of(phase, AnonymousUser())
    by_brier = board_of(phase, AnonymousUser(), metric="brier")
    print_medians(
        {
            "page 1, with its rows": (lambda: standings.page_of(board, 1, None), 10),
            "page 20, with its rows": (lambda: standings.page_of(board, 20, None), 10),
            "whole board of 2,000 (API)": (lambda: standings.all_rows(board, None, 5000), 2),
            "page 1 by another metric": (lambda: standings.page_of(by_brier, 1, None), 2),
        }
    )


def measure_every_entry(phase: Any) -> None:
    """Pages of all 100,000 entries, the history of who led, and what it costs to keep them sorted."""
    from django.contrib.auth.models import AnonymousUser
    from django.db import transaction

    from leaderboard import standings
    from leaderboard.boards import board_of
    from leaderboard.history import history
    from leaderboard.writing import recompute_team_standings
    from submissions.models import Submission

    every = board_of(phase, AnonymousUser(), every_entry=True)
    every_brier = board_of(phase, AnonymousUser(), metric="brier", every_entry=True)
    submission = Submission.objects.select_related("team").latest("created_at")

    @transaction.atomic
    def finish() -> None:
        recompute_team_standings(phase, submission.team, submission)

    print_medians(
        {
            "page 1 of all 100,000 entries": (lambda: standings.page_of(every, 1, None), 10),
            "page 1,000 of them": (lambda: standings.page_of(every, 1000, None), 3),
            "page 2,000, the last": (lambda: standings.page_of(every, 2000, None), 3),
            "page 1 by another metric, of which all are equal": (lambda: standings.page_of(every_brier, 1, None), 3),
            "history of who led": (lambda: history(every, None), 1),
            "what a finish writes, its team having 50": (finish, 5),
        }
    )


def print_medians(sides: dict[str, Any]) -> None:
    from benchmarks.harness.rounds import medians, milliseconds

    for title, taken in medians(sides).items():
        print(f"  {title} {milliseconds(taken)}", flush=True)


def count_queries(phase: Any) -> None:
    from django.contrib.auth.models import AnonymousUser
    from django.db import connection, reset_queries

    from leaderboard import standings
    from leaderboard.boards import board_of

    connection.force_debug_cursor = True
    for title, is_every in (("the best", False), ("all entries", True)):
        board = board_of(phase, AnonymousUser(), every_entry=is_every)
        for number in (1, 20):
            reset_queries()
            standings.page_of(board, number, None)
            print(f"  queries of page {number} of {title}: {len(connection.queries)}", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
