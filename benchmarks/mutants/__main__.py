"""`make mutants`: change the code in 400 places, one at a time, and list the changes that no test notices."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.mutants.campaign import Campaign
from benchmarks.mutants.covering import MAX_SECONDS, TEST_FOLDERS, measure, measure_newer, test_files
from benchmarks.mutants.kept import Kept, Verdict, still_there
from benchmarks.mutants.report import as_text
from benchmarks.mutants.server import RunningServer
from benchmarks.mutants.session import import_shared
from benchmarks.mutants.sites import Mutant, sample
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
    parser.add_argument("--resume", action="store_true", help="go on with a run that was ended, with its measurement")
    parser.add_argument(
        "--survivors", action="store_true", help="try again what lived through the last run, with the tests since"
    )
    parser.add_argument("--only", nargs="+", default=[""], help="try only the sample's changes in these folders")
    parser.add_argument("--tests", nargs="+", default=TEST_FOLDERS, help="the folders whose tests are run")
    parser.add_argument("--most", type=float, default=MAX_SECONDS, help="seconds of tests that a change may cost")
    parser.add_argument("packages", nargs="*", default=list(PACKAGES))
    return parser.parse_args()


def main() -> int:
    """Return 0 when nine of ten changes are noticed, else 1."""
    requested = arguments()
    requested.work.mkdir(parents=True, exist_ok=True)
    kept = Kept(requested.work / "results.jsonl")
    if not (requested.resume or requested.survivors):
        kept.forget()
    sys.dont_write_bytecode = False  # else each fresh process compiles the whole code before its first test
    started = time.monotonic()
    mutants = to_try(requested, kept)
    import_shared()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Tree(ROOT, Path(folder) / str(number)) for number in range(requested.workers)]
        copies = [tree.copy for tree in trees]
        goes_on = (requested.resume or requested.survivors) and any(requested.work.glob("covering-*.json"))
        how = measure_newer if goes_on else measure
        files = test_files(copies[0], requested.tests)
        covering = how(copies, requested.packages, requested.work, files)
        covering.most = requested.most
        print(f"{len(covering.seconds)} tests measured in {time.monotonic() - started:.0f} s", flush=True)
        if covering.failed:
            print("not used, because they fail without a change:", *covering.failed, sep="\n  ")
        servers = [RunningServer(copy, files, requested.work, f"server-{copy.name}") for copy in copies]
        Campaign(trees, servers, covering, requested.work, kept).run(mutants)
        for server in servers:
            server.close()
    results = sorted(kept.all().values(), key=lambda result: (result.mutant.path, result.mutant.line))
    print(as_text(results, requested.seed, time.monotonic() - started))
    return int(sum(result.is_noticed for result in results) < WANTED * len(results))


def drawn(requested: argparse.Namespace) -> list[Mutant]:
    """Return the sample: the one of the run that is resumed, else a new one. Drawing takes half a minute."""
    file = requested.work / "sample.json"
    if requested.resume and file.exists():
        return [Mutant(**fields) for fields in json.loads(file.read_text())]
    mutants = sample(ROOT, source_files(requested.packages), requested.size, requested.seed)
    file.write_text(json.dumps([asdict(mutant) for mutant in mutants]))
    return mutants


def to_try(requested: argparse.Namespace, kept: Kept) -> list[Mutant]:
    """Return what this run tries: the sample, what is left of it, or its survivors."""
    before, only = kept.all(), tuple(requested.only)
    if not requested.survivors:
        mutants = drawn(requested)
        decided = {mutant for mutant, result in before.items() if result.verdict != Verdict.UNDECIDED}
        return [mutant for mutant in mutants if mutant not in decided and mutant.path.startswith(only)]
    survivors = [mutant for mutant, result in before.items() if not result.is_noticed]
    mutants = [mutant for mutant in survivors if mutant.path.startswith(only)]
    there = [mutant for mutant in mutants if still_there(ROOT, before[mutant])]
    if gone := set(mutants) - set(there):
        print("not tried, because the code there has changed:", *gone, sep="\n  ")
    return there


if __name__ == "__main__":
    sys.exit(main())
