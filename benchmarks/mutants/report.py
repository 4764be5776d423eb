"""The figures and the survivors, as text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.mutants.kept import Result, Verdict


def package_of(path: str) -> str:
    app, folder, *_ = path.split("/")
    return app if app == "leaderboard" else f"{app}/{folder}"


def as_text(results: Sequence[Result], seed: int, seconds: float) -> str:
    rows = [_row(package, of_package) for package, of_package in _by_package(results).items()]
    survivors = [
        f"{survivor.mutant} ({survivor.by})\n  - {survivor.change[0]}\n  + {survivor.change[1]}"
        for survivor in _survivors(results)
    ]
    head = f"seed {seed}, {len(results)} mutants, {seconds / 60:.0f} min"
    return "\n".join([head, *rows, _row("all", results), f"survivors: {len(survivors)}", *survivors])


def _survivors(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if not result.is_noticed]


def _by_package(results: Sequence[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(package_of(result.mutant.path), []).append(result)
    return found


def _row(name: str, results: Sequence[Result]) -> str:
    killed = len(results) - len(_survivors(results))
    late = sum(result.verdict == Verdict.TIMEOUT for result in results)
    share = 100 * killed / max(len(results), 1)
    return f"{name:24} {killed:4} of {len(results):4} killed, {share:5.1f} %, {late} of them by the limit of time"
