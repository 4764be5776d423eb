"""P14: processor time a request by address, alone and under a load of readers, submitting teams and API clients.

    make bench-load                                               # 70 s: 200 readers, 24 teams, 8 API clients
    PYTHONPATH=. python benchmarks/web/bench_load.py --seconds 20 --readers 50

The site as `manage.py start` runs it, workers included, with 60 teams and 120 scored entries. First each page twenty
times in a row, then the load. Every request carries a label in its X-Request-ID, under which the site's access log
says how much processor time it took; the wall is measured by the client. At the end every acknowledged submission must
be scored once. Exits with 1 after a 5xx, a lost or a doubled submission, or a missed target.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.results import Result, show
from benchmarks.harness.servers import ROOT, Server, manage, running
from benchmarks.web.visitors import PAGES, Answer, Load, Visitor

ALONE = 20
WAIT_S = 180
# Milliseconds of processor time of one request alone (P14); visitors' pages are kept, their own are not.
TARGETS = {
    "home": 3, "boards": 3, "board": 3, "history": 3, "phase": 3, "guide": 3,
    "home-member": 10, "board-member": 25, "report-member": 30, "list-member": 20,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--teams", type=int, default=24)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        env = environment(folder)
        filled = prepared(env)
        log = folder / "site.log"
        command = [sys.executable, "manage.py", "start", "--port", "{port}"]
        with log.open("wb") as file:
            server = stack.enter_context(running("lunasite", command, "/", env, output=file))
        alone = measured_alone(server, filled)
        alone_cpu = processor_ms(log)
        load = Load(server.port, filled, options.readers, options.teams, options.clients)
        answers = load.run(options.seconds)
        lost, doubled = unfinished(env, load.acknowledged)
        cpu = processor_ms(log, skip=len(alone))
    is_good = report(alone, alone_cpu, answers, cpu, load.acknowledged, lost, doubled)
    sys.exit(0 if is_good else 1)


def environment(folder: Path) -> dict[str, str]:
    return {
        "DATA_DIR": str(folder / "data"), "STATIC_ROOT": str(folder / "static"), "LOAD_MODEL": "0",
        "SECRET_KEY": "bench-load-" + "0123456789abcdef" * 3, "ALLOWED_HOSTS": "127.0.0.1", "LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO", "THROTTLE_SUBMIT": "100000/min", "THROTTLE_DEAR": "100000/min",
    }  # fmt: skip


def prepared(env: dict[str, str]) -> dict:
    """Return what the visitors need of a filled site: cookies and tokens of members, addresses."""
    manage(env, "migrate", "--verbosity", "0")
    command = [sys.executable, "-m", "benchmarks.web.filled_site"]
    own = {**os.environ, **env, "DJANGO_SETTINGS_MODULE": "lunasite.settings", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout)


def measured_alone(server: Server, filled: dict) -> list[Answer]:
    """Ask for each page ALONE times in a row, after one that fills what is kept."""
    visitor, member = Visitor(server.port), Visitor(server.port, cookie=filled["cookies"][0])
    own = {"home-member": "/", "board-member": "/leaderboards/practice/", "report-member": filled["report"],
           "list-member": "/submissions/"}  # fmt: skip
    for path in PAGES.values():
        for _ in range(4):  # a copy for each web process
            visitor.get("warming-up", path)
    asked = [(visitor, PAGES), (member, own)]
    return [who.get(label, path) for who, pages in asked for label, path in pages.items() for _ in range(ALONE)]


def processor_ms(log: Path, skip: int = 0) -> dict[str, list[float]]:
    """Return the processor milliseconds of the labelled requests in the access log, without the first `skip`."""
    found: list[tuple[str, float]] = []
    for line in log.read_text(errors="replace").splitlines():
        fields = json.loads(line) if line.startswith("{") else {}
        label = str(fields.get("request_id", "")).rpartition(".")[0]
        if fields.get("event") == "request" and label and label != "warming-up":
            found.append((label, fields["cpu_ms"]))
    by_label: dict[str, list[float]] = {}
    for label, spent in found[skip:]:
        by_label.setdefault(label, []).append(spent)
    return by_label


def unfinished(env: dict[str, str], acknowledged: list[str]) -> tuple[list[str], list[str]]:
    """Wait until every acknowledged submission has ended; return those not scored, and those scored twice."""
    code = (
        "import json, sys; from submissions.models import Evaluation as E;"
        "rows = E.objects.filter(submission__in=json.load(sys.stdin), status='completed', is_current=True);"
        "print(json.dumps([str(pk) for pk in rows.values_list('submission', flat=True)]))"
    )
    deadline = time.monotonic() + WAIT_S
    while True:
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        sent = json.dumps(acknowledged)
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **env}, input=sent, capture_output=True, text=True, check=True
        )
        scored = Counter(json.loads(done.stdout.splitlines()[-1]))
        lost = [pk for pk in acknowledged if pk not in scored]
        if not lost or time.monotonic() > deadline:
            return lost, [pk for pk, times in scored.items() if times > 1]
        time.sleep(2)


def report(
    alone: list[Answer], alone_cpu: dict[str, list[float]], answers: list[Answer], cpu: dict[str, list[float]],
    acknowledged: list[str], lost: list[str], doubled: list[str],
) -> bool:  # fmt: skip
    """Print both tables; return whether every target is met."""
    results = [
        Result("P14", f"{label}: processor ms alone", statistics.median(alone_cpu[label]), target,
               f"wall {statistics.median(walls(alone, label)):.1f} ms", True)
        for label, target in TARGETS.items()
    ]  # fmt: skip
    broken = [answer for answer in answers if answer.status >= 500 or answer.status == 0]
    figures = f"{len(answers)} requests; {dict(Counter(answer.status for answer in answers))}"
    results.append(Result("load", "5xx and unanswered", len(broken), 0, figures, True))
    results.append(Result("load", "acknowledged and lost", len(lost), 0, f"of {len(acknowledged)}", True))
    results.append(Result("load", "scored twice", len(doubled), 0, "", True))
    show("Load", results)
    print(
        "\n| under load | requests | processor ms, median / mean | wall ms, median / 95 % |\n| --- | --- | --- | --- |"
    )
    for label in sorted({answer.label for answer in answers}):
        spent, waited = cpu.get(label, [0.0]), sorted(walls(answers, label))
        print(
            f"| {label} | {len(waited)} | {statistics.median(spent):.1f} / {statistics.fmean(spent):.1f} "
            f"| {statistics.median(waited):.0f} / {waited[int(0.95 * (len(waited) - 1))]:.0f} |"
        )
    return all(result.is_met for result in results)


def walls(answers: list[Answer], label: str) -> list[float]:
    return [1e3 * answer.seconds for answer in answers if answer.label == label]


if __name__ == "__main__":
    main()
