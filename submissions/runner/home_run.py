"""Run an image at home as the platform's trial does: the same runners, on an engine's command line.

The command-line client starts this from `/client/runner.zip` in a process of its own: one JSON object on standard
input, one JSON object a line on standard output, the last of which is `outcome`.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from submissions.faults import ParticipantError
from submissions.intake.model.archive import unpack_model
from submissions.kinds import KINDS
from submissions.runner.attempt import Host
from submissions.runner.base import (
    TRIAL,
    ContainerFault,
    RunCallbacks,
    RunCase,
    RunError,
    RunRequest,
    RunResult,
    limits_with,
)
from submissions.runner.contracts import CONTRACTS
from submissions.runner.engine.cli import CommandLineEngine, require_program

PREFIX = "lunasite-home"


def main() -> int:
    task = json.load(sys.stdin)
    outcome = run_at_home(task)
    say({"event": "outcome", **outcome})
    return 0 if outcome["ok"] else 1


def say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def run_at_home(task: dict[str, Any]) -> dict[str, Any]:
    """Run the image of a task on its cases and return the outcome, which names a failure by its code and note.

    task: `trial` (what the site says of the phase: kind, limits, cases), `folder` (its images, by the names of the
    cases), `image`, `driver_image`, `contract`, `endpoint`, `adapter`, `program`, `model_archive` (a path, or "").
    """
    engine = CommandLineEngine(task["program"])
    run_dir = Path(tempfile.mkdtemp(prefix="lunasite-run-"))
    try:
        require_program(task["program"])
        result = _run(task, engine, run_dir)
    except RunError as error:
        message = {"diagnosis": error.diagnosis, "status": error.status, "answer": error.answer}
        message |= {"code": error.code, "note": error.note, "detail": error.staff_detail, "log": error.logs}
        return {"ok": False, **message}
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
        engine.close()
    return {"ok": True, "log": result.logs, "answers": result.answers, **_costs(result)}


def _run(task: dict[str, Any], engine: CommandLineEngine, run_dir: Path) -> RunResult:
    host = Host(engine, task["driver_image"], PREFIX, secrets.token_hex(4))  # type: ignore[arg-type]
    request = _with_fewer_cpus(request_of(task, run_dir / "run"), engine.cpus())
    request = replace(request, model_dir=_model_dir(task.get("model_archive", ""), run_dir / "model"))
    if not engine.is_x86:
        say(
            {
                "event": "note",
                "note": "This engine emulates linux/amd64: slower, and with the engine's own seccomp profile.",
            }
        )
    watcher = RunCallbacks(
        answered=lambda case_id, answer, seconds: say(
            {"event": "answered", "case": case_id, "answer": answer, "seconds": seconds}
        ),
        stage=lambda name: say({"event": "stage", "stage": name}),
        hint=lambda sentence: say({"event": "note", "note": sentence}),
        note=lambda sentence: say({"event": "note", "note": sentence}),
    )
    return CONTRACTS[request.contract].runner(host).run(request, watcher)


def _model_dir(archive: str, folder: Path) -> Path | None:
    """Lay a model archive out for the container. Raises ContainerFault(MODEL_ARCHIVE)."""
    if not archive:
        return None
    folder.mkdir()
    folder.chmod(0o755)  # whatever the umask: the container's user enters it
    try:
        unpack_model(Path(archive), folder)
    except ParticipantError as error:
        raise ContainerFault(error.code, error.note) from error
    return folder


def request_of(task: dict[str, Any], run_dir: Path) -> RunRequest:
    """Return the request the platform would make for this image, phase and cases."""
    trial, folder = task["trial"], Path(task["folder"]).resolve()
    cases = [RunCase(case["id"], folder / case["file"], case["series"], case["facts"]) for case in trial["cases"]]
    return RunRequest(
        evaluation="try", attempt=1, image_id=task["image"], contract=task["contract"], cases=cases,
        limits=limits_with(**trial["limits"]), kind=KINDS[trial["kind"]], cases_root=folder, run_dir=run_dir,
        seed=secrets.randbits(32), endpoint=task["endpoint"], adapter=task["adapter"], stage=TRIAL,
        slugs=trial.get("slugs") or {},
        writable_folders=tuple(task.get("writable_folders") or ()),
    )  # fmt: skip


def _with_fewer_cpus(request: RunRequest, cpus: int) -> RunRequest:
    """Return the request with no more CPUs than the engine has, and say so."""
    if not 0 < cpus < request.limits.cpus:
        return request
    say({"event": "note", "note": f"This engine has {cpus} CPUs; the phase gives {request.limits.cpus:g}."})
    return replace(request, limits=replace(request.limits, cpus=float(cpus)))


def _costs(result: RunResult) -> dict[str, Any]:
    return {
        "start_s": result.start_s,
        "predict_s": result.predict_s,
        "peak_memory_bytes": result.peak_memory_bytes,
        "oom_killed": result.oom_killed,
    }


__all__ = ["main", "request_of", "run_at_home"]
