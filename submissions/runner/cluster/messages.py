"""What a worker and its job tell each other, as JSON: a request one way; events and an outcome the other.

A job writes what it says where its user may write, so it is read as data: bounded, and with its types checked.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from submissions.kinds import KINDS
from submissions.runner.base import ContainerFault, EngineFault, Limits, RunCase, RunError, RunRequest, RunResult

PATHS = ("cases_root", "run_dir")
TEXTS = ("note", "staff_detail", "logs", "answer", "diagnosis", "wanted_output")
MAX_TEXT = 1 << 20


def request_json(request: RunRequest) -> dict[str, Any]:
    """Return a request as JSON values; the kind by its name."""
    plain = {field.name: getattr(request, field.name) for field in fields(request)}
    plain |= {name: str(plain[name]) for name in PATHS}
    plain |= {"kind": request.kind.name, "limits": asdict(request.limits)}
    plain |= {"model_dir": str(request.model_dir) if request.model_dir else ""}
    plain |= {name: dict(plain[name]) for name in ("adapter", "done", "slugs")}
    plain["cases"] = [
        {"case_id": case.case_id, "image_path": str(case.image_path), "series_key": case.series_key,
         "facts": dict(case.facts)}
        for case in request.cases
    ]  # fmt: skip
    return plain


def request_of(plain: dict[str, Any]) -> RunRequest:
    """Return the request that `request_json` wrote."""
    plain = dict(plain)
    cases = [
        RunCase(case["case_id"], Path(case["image_path"]), case["series_key"], case["facts"])
        for case in plain.pop("cases")
    ]
    plain |= {name: Path(plain[name]) for name in PATHS}
    model_dir = plain.pop("model_dir")
    return RunRequest(
        cases=cases,
        kind=KINDS[plain.pop("kind")],
        limits=Limits(**plain.pop("limits")),
        model_dir=Path(model_dir) if model_dir else None,
        writable_folders=tuple(plain.pop("writable_folders")),
        done={name: frozen(answer) for name, answer in plain.pop("done").items()},
        **plain,
    )


def result_json(result: RunResult) -> dict[str, Any]:
    return {"ok": True, **asdict(result)}


def error_json(error: RunError) -> dict[str, Any]:
    """Return what a failed run leaves; is_ours: an EngineFault."""
    details = {name: getattr(error, name) for name in TEXTS}
    details |= {"code": error.code, "answered": error.answered, "status": error.status, "exit_code": error.exit_code}
    return {"ok": False, "is_ours": isinstance(error, EngineFault), "outputs": list(error.outputs), **details}


def outcome_of(plain: dict[str, Any]) -> RunResult | RunError:
    """Return what a job's outcome says. Raises ValueError, TypeError or KeyError where it says nothing of the kind."""
    if plain["ok"] is True:
        answers = {str(name): frozen(answer) for name, answer in plain["answers"].items()}
        seconds = {str(name): float(value) for name, value in plain["latency_s"].items()}
        return RunResult(
            answers, seconds, float(plain["start_s"]), float(plain["predict_s"]), int(plain["peak_memory_bytes"]),
            bool(plain["oom_killed"]), _text(plain["logs"]),
        )  # fmt: skip
    code, texts = _text(plain["code"]), {name: _text(plain[name]) for name in TEXTS}
    note, detail = texts.pop("note"), texts.pop("staff_detail")
    error: RunError = (
        EngineFault(note, code=code, staff_detail=detail)
        if plain["is_ours"]
        else ContainerFault(code, note, staff_detail=detail)
    )
    for name, text in texts.items():
        setattr(error, name, text)
    error.answered, error.status = int(plain["answered"]), int(plain["status"])
    error.outputs = tuple(_text(name) for name in plain["outputs"])
    error.exit_code = None if plain["exit_code"] is None else int(plain["exit_code"])
    return error


def frozen(value: Any) -> Any:
    """Return an answer with tuples where JSON has lists, as kinds read answers."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise TypeError("a text is none")
    return value
