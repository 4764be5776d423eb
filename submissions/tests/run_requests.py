"""Cases and requests of a run, for tests that need no engine."""

from pathlib import Path

from submissions.kinds import KINDS
from submissions.runner.base import Limits, RunCase, RunRequest


def run_cases(count=40, per_series=2):
    return [
        RunCase(
            case_id=f"1.2.3.{n // per_series}_{n}",
            image_path=Path(f"/c/{n // per_series}.mha"),
            series_key=f"1.2.3.{n // per_series}",
            facts={"point_xyz_mm": [1.0 * n, 0, 0]},
        )
        for n in range(count)
    ]


def run_request(**changes):
    values = {
        "evaluation": "17", "attempt": 2, "image_id": "sha256:abc", "contract": "http", "cases": run_cases(4),
        "limits": Limits(), "kind": KINDS["lesion"], "cases_root": Path("/c"), "run_dir": Path("/r"), "seed": 1,
    }  # fmt: skip
    return RunRequest(**values | changes)
