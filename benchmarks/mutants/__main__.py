"""`make mutants`: change the code in 400 places, one at a time, and list the changes that no test notices."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.mutants.campaign import Campaign, Verdict
from benchmarks.mutants.covering import measure, measured, test_files
from benchmarks.mutants.report import as_text
from benchmarks.mutants.server import RunningServer
from benchmarks.mutants.session import import_shared
from benchmarks.mutants.sites import sample
from benchmarks.mutants.trees import Tree

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = (
    "submissions/actions",
    "submissions/models",
    "submissions/phases",
    "submissions/scoring",
    "submissions/presenters",
    "submissions/kinds",
    "leaderboard",
    "inference/ct",
)
SEED = 7
SIZE = 400
WANTED = 0.90


def source_files(packages: list[str]) -> list[str]:
    found = (path.relative_to(ROOT) for package in packages for path in (ROOT / package).rglob("*.py"))
    return sorted(str(path) for path in found if not {"tests", "migrations"} & set(path.parts))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "mutants", help="where logs and results go")
    parser.add_argument("--measured", action="store_true", help="use the measurement of the last run")
    parser.add_argument("packages", nargs="*", default=list(PACKAGES))
    return parser.parse_args()


def main() -> int:
    """Return 0 when nine of ten changes are noticed, else 1."""
    requested = arguments()
    requested.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    mutants = sample(ROOT, source_files(requested.packages), requested.size, requested.seed)
    import_shared()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Tree(ROOT, Path(folder) / str(number)) for number in range(requested.workers)]
        copies = [tree.copy for tree in trees]
        covering = (
            measured(requested.work) if requested.measured else measure(copies, requested.packages, requested.work)
        )
        print(f"{len(covering.seconds)} tests measured in {time.monotonic() - started:.0f} s", flush=True)
        if covering.failed:
            print("not used, because they fail without a change:", *covering.failed, sep="\n  ")
        files = test_files(copies[0])
        servers = [RunningServer(copy, files, requested.work, f"server-{copy.name}") for copy in copies]
        results = Campaign(trees, servers, covering, requested.work).run(mutants)
        for server in servers:
            server.close()
    (requested.work / "results.json").write_text(json.dumps([result.as_dict() for result in results], indent=1))
    print(as_text(results, requested.seed, time.monotonic() - started))
    killed = sum(result.verdict != Verdict.SURVIVED for result in results)
    return int(killed < WANTED * len(results))


if __name__ == "__main__":
    sys.exit(main())
