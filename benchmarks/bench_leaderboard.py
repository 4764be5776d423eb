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
from datetime import timedelta
from pathlib import Path
from typing import Any

N_TEAMS = 2000
N_ENTRIES = 100_000
BATCH = 2000
# The alternative: every evaluation's score in a column, the best of each team picked when asked.
WINDOW = """
SELECT team_id, score, submitted_at FROM (
    SELECT team_id, bench_score AS score, s.created_at AS submitted_at,
           ROW_NUMBER() OVER (PARTITION BY team_id ORDER BY bench_score DESC, s.created_at) AS place
    FROM submissions_evaluation e JOIN submissions_submission s ON s.id = e.submission_id
    WHERE phase_id = %s AND is_counted AND NOT is_hidden AND NOT is_baseline
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
    from benchmarks.rounds import machine

    print(f"bench-leaderboard, {machine()}, {N_ENTRIES} entries of {N_TEAMS} teams", flush=True)
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
    from django.db import connection, reset_queries

    from benchmarks.rounds import compare, medians, milliseconds
    from leaderboard import standings
    from leaderboard.boards import board_of

    call_command("migrate", verbosity=0)
    phase = fill()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    from django.contrib.auth.models import AnonymousUser

    board = board_of(phase, AnonymousUser())

    def window(query: str = WINDOW) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(query, [phase.pk])
            return list(cursor.fetchall())

    def top_50() -> list[Any]:
        return standings._places(board, 0, 50)

    assert [place.contender.keys[0] for place in top_50()] == [round(row[1], 4) for row in window()]
    compare(
        f"{name}: top 50",
        (top_50, 20),
        {"window query": (window, 3), "window query over a narrow indexed copy": (lambda: window(NARROW), 3)},
        "20 on SQLite, 10 on PostgreSQL",
    )
    by_brier = board_of(phase, AnonymousUser(), metric="brier")
    pages = {
        "page 1, with its rows": (lambda: standings.page_of(board, 1, None), 10),
        "page 20, with its rows": (lambda: standings.page_of(board, 20, None), 10),
        "whole board of 2,000 (API)": (lambda: standings.all_rows(board, None, 5000), 2),
        "page 1 by another metric": (lambda: standings.page_of(by_brier, 1, None), 2),
    }
    for title, taken in medians(pages).items():
        print(f"  {title} {milliseconds(taken)}")
    measure_every_entry(phase)
    connection.force_debug_cursor = True
    for title, shown in (("the best", board), ("all entries", board_of(phase, AnonymousUser(), every_entry=True))):
        for number in (1, 20):
            reset_queries()
            standings.page_of(shown, number, None)
            print(f"  queries of page {number} of {title}: {len(connection.queries)}", flush=True)


def measure_every_entry(phase: Any) -> None:
    """Pages of all 100,000 entries, the history of who led, and what it costs to keep them sorted."""
    from django.contrib.auth.models import AnonymousUser
    from django.db import transaction

    from benchmarks.rounds import medians, milliseconds
    from leaderboard import standings
    from leaderboard.boards import board_of
    from leaderboard.history import history
    from submissions.models import Submission
    from submissions.models.standing import refresh_standings

    every = board_of(phase, AnonymousUser(), every_entry=True)
    every_brier = board_of(phase, AnonymousUser(), metric="brier", every_entry=True)
    submission = Submission.objects.select_related("team").latest("created_at")

    @transaction.atomic
    def finish() -> None:
        refresh_standings(phase, submission.team, submission)

    pages = {
        "page 1 of all 100,000 entries": (lambda: standings.page_of(every, 1, None), 10),
        "page 1,000 of them": (lambda: standings.page_of(every, 1000, None), 3),
        "page 2,000, the last": (lambda: standings.page_of(every, 2000, None), 3),
        "page 1 by another metric, of which all are equal": (lambda: standings.page_of(every_brier, 1, None), 3),
        "history of who led": (lambda: history(every, None), 1),
        "what a finish writes, its team having 50": (finish, 5),
    }
    for title, taken in medians(pages).items():
        print(f"  {title} {milliseconds(taken)}", flush=True)


def fill() -> Any:
    """Write the phase, its teams, entries with scores of the real form, and their standings."""
    import numpy as np
    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from submissions.models import BoardEntry, Case, Dataset, Evaluation, Phase, Standing, Submission, Team
    from submissions.models.board_entry import entries_of
    from submissions.scoring import score

    random = np.random.default_rng(1)
    user = User.objects.create_user("bench")
    dataset = Dataset.objects.create(kind="lesion", name="bench", content_hash="x")
    Case.objects.create(dataset=dataset, position=0, public_id="a", truth=0)
    phase = Phase.objects.create(slug="bench", title="Bench", dataset=dataset)
    teams = Team.objects.bulk_create(Team(name=f"team {i}", code=f"code{i}") for i in range(N_TEAMS))
    scores = score("lesion", random.integers(0, 2, 300), random.random(300), [str(i // 2) for i in range(300)])
    start = timezone.now() - timedelta(days=100)
    areas = random.uniform(0.5, 0.95, N_ENTRIES).round(12)
    best: dict[int, tuple[float, Any, Any]] = {}
    rows = []
    for first in range(0, N_ENTRIES, BATCH):
        submissions = [
            Submission(
                phase=phase, team=teams[i % N_TEAMS], user=user, submission_type="csv", file="x", original_name="x",
                sha256="0" * 64, size_bytes=1, created_at=start + timedelta(seconds=i),
            )
            for i in range(first, first + BATCH)
        ]  # fmt: skip
        Submission.objects.bulk_create(submissions)
        evaluations = Evaluation.objects.bulk_create(
            Evaluation(
                submission=submission, status="completed", is_counted=True,
                scores={"public": scores | {"auc": float(areas[i])}},
            )
            for i, submission in enumerate(submissions, start=first)
        )  # fmt: skip
        BoardEntry.objects.bulk_create(
            [row for evaluation in evaluations for row in entries_of(phase, evaluation)], batch_size=5000
        )
        for i, (submission, evaluation) in enumerate(zip(submissions, evaluations, strict=True), start=first):
            rows.append((phase.pk, submission.team_id, float(areas[i]), submission.created_at))
            if submission.team_id not in best or areas[i] > best[submission.team_id][0]:
                best[submission.team_id] = (float(areas[i]), evaluation, submission)
    Standing.objects.bulk_create(
        Standing(
            phase=phase, team_id=team, split="public", evaluation=evaluation, score=value, sort_key=round(value, 4),
            submitted_at=submission.created_at,
        )
        for team, (value, evaluation, submission) in best.items()
    )  # fmt: skip
    first_pk = Evaluation.objects.order_by("pk").values_list("pk", flat=True)[0]
    with connection.cursor() as cursor:
        kind = "DOUBLE PRECISION" if connection.vendor == "postgresql" else "REAL"
        moment = "TIMESTAMPTZ" if connection.vendor == "postgresql" else "TEXT"
        cursor.execute(
            f"CREATE TABLE plain_entries (phase_id INTEGER, team_id INTEGER, score {kind}, submitted_at {moment})"
        )
        texts = rows if connection.vendor == "postgresql" else [(*row[:3], str(row[3])) for row in rows]
        cursor.executemany("INSERT INTO plain_entries VALUES (%s, %s, %s, %s)", texts)
        cursor.execute(f"ALTER TABLE submissions_evaluation ADD COLUMN bench_score {kind}")
        pairs = list(zip(areas.tolist(), range(first_pk, first_pk + N_ENTRIES), strict=True))
        cursor.executemany("UPDATE submissions_evaluation SET bench_score = %s WHERE id = %s", pairs)
        cursor.execute("CREATE INDEX plain_best ON plain_entries (phase_id, team_id, score DESC, submitted_at)")
    return phase


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
