"""The HTTP contract: the model serves, our driver calls it inside an empty network."""

from __future__ import annotations

import itertools
import json
import random
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lunasite.http.strict_json import NotStrictJson, parse_strict
from submissions.kinds import BadAnswer, Kind
from submissions.runner.attempt import (
    PREPARE_S,
    Attempt,
    Clock,
    Host,
    attempt_on,
    known_image,
    run_lifetime_s,
    wait_exited,
)
from submissions.runner.base import (
    TRIAL,
    Call,
    ContainerFault,
    EngineFault,
    Lines,
    RunCallbacks,
    RunCase,
    RunError,
    RunRequest,
    RunResult,
)
from submissions.runner.contracts.base import Contract
from submissions.runner.described_call import DescribedCall
from submissions.runner.diagnosis import SHOWN_ANSWER, Evidence, diagnose
from submissions.runner.engine.errors import readable
from submissions.runner.exit_diagnosis import classify_exit, refine_exit, with_count
from submissions.runner.memory import MemoryWatch
from submissions.runner.model_body import ImageReading, read_image, with_volume
from submissions.runner.pseudonymize import pseudonymize_cases
from submissions.runner.sandbox import CASES_AT, driver_spec, holder_spec, model_binds, model_spec
from submissions.runner.trial_evidence import evidence_of, tell_read_only
from submissions.runner.values import ContainerState, EngineImage

DEFAULT_PORT = 8000
TICK_S = 0.1
LOOK_S = 0.25
SHOW_LOG_S = 1.0
STARTUP_SLACK_S = 5.0
CONTENT_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


GUIDE = """\
## HTTP service (the default)

Listen on `0.0.0.0`, port 8000 (or your image's only `EXPOSE`d port, or the port you name on the form). You are ready at
the first HTTP answer on `/health` or `/`, whatever its status. Then comes one multipart `POST` a case, over
one kept-alive connection where you allow it (as many at once as the phase says). The order of cases is shuffled in each
attempt. An answer may have 1 MiB, uncompressed; redirects are not followed.

KINDS

What the form calls *adapter* fits existing entries: `port`, `path`, `bearer_token`, `file_field` (`file`, `image`,
`image_file`), `field_names` (`camelCase`, or `csv` for LUNA25's column names), `omit`, `probability_path`
(`data.2.probability` reaches into lists).

### Run it at home under the same limits

RUN

It has no network, so call it from a second container that shares its loopback:

```bash
docker run --rm --network container:lunasite-try --volume "$PWD:/w:ro" curlimages/curl -F file=@/w/scan.mha \\
  -F seriesInstanceUID=2.25.1 -F lesionID=1 -F coordX=56.2 -F coordY=86.3 -F coordZ=-115.9 \\
  localhost:8000/api/v1/predict/lesion
```
"""


class HttpRunner:
    """Runs a request over HTTP. Answers are counted as they come; the first bad one ends the run."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def run(self, request: RunRequest, watcher: RunCallbacks) -> RunResult:
        image = known_image(self.host, request.image_id)
        calls = pseudonymize_cases([case for case in request.cases if case.case_id not in request.done], request.seed)
        result = RunResult(answers=dict(request.done))
        if calls:
            write_plan(request, calls, image)
            _HttpRun(self.host, request, watcher, calls, result, image).run(image)
        return result


class _HttpRun:
    """One run while it goes on."""

    def __init__(
        self,
        host: Host,
        request: RunRequest,
        watcher: RunCallbacks,
        calls: Sequence[Call],
        result: RunResult,
        image: EngineImage,
    ) -> None:
        self.host, self.request, self.watcher, self.result = host, request, watcher, result
        self.calls = {call.number: call for call in calls}
        self.model = ""
        self.clock = Clock(request.limits.timeout_s, watcher)
        self.ready_at: float | None = None
        self.is_done = False
        self.memory: MemoryWatch | None = None
        self.reading: ImageReading | None = None
        self.listening: tuple[int, ...] = ()
        self.described: tuple[DescribedCall, ...] = ()
        self.port = port_of(request, image)
        self._next_look = self._next_log = 0.0

    def run(self, image: EngineImage) -> None:
        with attempt_on(self.host.engine) as attempt:
            try:
                self._drive(attempt, image)
                self._finish()
            except RunError as error:
                error.logs = self._last_words()
                self._explain(error)
                raise with_count(error, len(self.result.answers), len(self.request.cases)) from error

    def _drive(self, attempt: Attempt, image: EngineImage) -> None:
        engine, request, limits = self.host.engine, self.request, self.request.limits
        labels = self.host.labels(request.evaluation, request.attempt, run_lifetime_s(limits))
        reading = read_image(attempt, self.host, labels, image, limits, request.writable_folders)
        tell_read_only(reading, request, self.watcher)
        self.reading = reading = with_volume(reading, attempt, labels, limits, 0)
        holder = attempt.create_holder(holder_spec(labels, self.host.driver_image, reading.volumes))
        engine.start(holder)
        body = reading.filled(attempt, holder)
        if self.clock.elapsed() > PREPARE_S:  # else the reaper's deadline would come before the run's own end
            raise EngineFault("The image's folders were not laid out in time.")
        self.model = attempt.create_participant_container(
            model_spec(labels, image, limits, runtime=self.host.runtime, binds=model_binds(request), body=body)
        )
        spec = driver_spec(labels, self.host.driver_image, str(request.cases_root), str(request.run_dir))
        driver = attempt.create(spec)
        with engine.attached(driver) as stream:
            # The driver first: it looks out already when the model begins to listen.
            engine.start(driver)
            self.clock = Clock(limits.timeout_s, self.watcher)
            engine.start(self.model, is_untrusted=True)
            self.memory = MemoryWatch(engine, self.model)
            try:
                self._follow(stream)
            finally:
                self.memory.close()

    def _follow(self, stream: Lines) -> None:
        while True:
            for line in stream.lines(TICK_S):
                self._handle(json.loads(line))
            if self.is_done:  # whatever became of the model since
                return
            self.clock.check()
            self._look_at_model()
            if stream.ended:
                raise EngineFault("The driver ended before its work was done.")

    def _handle(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "ready":
                self.ready_at = self.clock.elapsed()
                self.result.start_s = self.ready_at
                self.watcher.stage("predicting")
            case "listening":
                self._hear(tuple(event["ports"]))
            case "described":
                self.described = tuple(DescribedCall(**call) for call in event["calls"])
            case "answer":
                self._take(self.calls[event["number"]], event)
            case "fault":
                raise self._fault(event)
            case "done":
                self.is_done = True

    def _take(self, call: Call, event: dict[str, Any]) -> None:
        body = a2b_base64(event["body"])
        try:
            answer = read_body(body, call, self.request)
        except ContainerFault as fault:
            self._show(fault, 200, body)
            raise refine_exit(fault, self._stopped_state(), self._logs()) from fault
        self.result.answers[call.case.case_id] = answer
        self.result.latency_s[call.case.case_id] = event["seconds"]
        self.watcher.answered(call.case.case_id, answer, event["seconds"])

    def _fault(self, event: dict[str, Any]) -> RunError:
        """Return the verdict on a call that failed; a model that died explains it best."""
        code, limits = event["code"], self.request.limits
        if code.startswith("SYSTEM_"):
            return EngineFault("A case could not be read.", code=code, staff_detail=event["detail"])
        state = wait_exited(self.host.engine, self.model)
        if not state.running:
            return self._ended(state)
        status = event.get("status", 0)
        notes = {
            "NOT_READY": f"No HTTP answer within {limits.startup_s:g} s.",
            "PREDICT_TIMEOUT": f"No whole answer within {limits.predict_timeout_s:g} s.",
            "RESPONSE_TOO_LARGE": f"An answer may have {limits.response_bytes >> 10} KiB.",
            "BAD_RESPONSE": f"It answered with status {status // 100}xx, not 200." if status else "",
        }
        if status and self.request.stage == TRIAL:
            notes["BAD_RESPONSE"] = f"It answered with status {status}, not 200."
        fault = ContainerFault(code, notes.get(code, ""), staff_detail=event["detail"])
        self._show(fault, status, a2b_base64(event.get("body", "")))
        return refine_exit(fault, self._stopped_state(), self._logs())

    def _look_at_model(self) -> None:
        now = self.clock.elapsed()
        if now >= self._next_look:
            self._next_look = now + (LOOK_S if self.ready_at is None else 4 * LOOK_S)
            state = self._state()
            if not state.running:
                raise self._ended(state)
            self._measure_memory()
            self._show_log(now)
        if self.ready_at is None and now > self.request.limits.startup_s:
            raise ContainerFault("NOT_READY", f"No HTTP answer within {self.request.limits.startup_s:g} s.")

    def _ended(self, state: ContainerState) -> ContainerFault:
        doing = "while starting" if self.ready_at is None else "while predicting"
        return classify_exit(
            state,
            self._logs(),
            may_name_exit_code=self.request.stage == TRIAL,
            while_doing=doing,
            has_answered=self.ready_at is not None,
        )

    def _finish(self) -> None:
        missing = len(self.request.cases) - len(self.result.answers)
        if missing:
            raise EngineFault("The driver left cases out.", staff_detail=f"{missing} without an answer")
        self.result.predict_s = self.clock.elapsed() - (self.ready_at or 0.0)
        self._measure_memory()
        # Stopped first: only then are its state and its log complete.
        self.result.oom_killed = self._stopped_state().oom_killed
        self.result.logs = self._logs()

    # A trial on public sample cases hides nothing

    def _show(self, fault: ContainerFault, status: int, body: bytes) -> None:
        if self.request.stage == TRIAL:
            fault.status, fault.answer = status, readable(body[:SHOWN_ANSWER])

    def _show_log(self, now: float) -> None:
        if self.request.stage == TRIAL and now >= self._next_log:
            self._next_log = now + SHOW_LOG_S
            self.watcher.log(self._logs())

    def _hear(self, ports: tuple[int, ...]) -> None:
        self.listening = ports
        if self.request.stage == TRIAL and ports and self.port not in ports:
            self.watcher.hint(diagnose(Evidence("NOT_READY", port=self.port, listening=ports)))

    def _explain(self, error: RunError) -> None:
        """Say what to change; only of a trial, whose cases are public."""
        if self.request.stage != TRIAL or not isinstance(error, ContainerFault):
            return
        evidence = evidence_of(error, self.request.limits, self.reading, self.result.peak_memory_bytes)
        adapter = self.request.adapter
        path = self.request.endpoint or adapter.get("path") or self.request.kind.endpoint_path
        case = self.request.cases[0]
        error.diagnosis = diagnose(
            replace(
                evidence,
                port=self.port,
                listening=self.listening,
                described=self.described,
                path=path,
                file_field=adapter.get("file_field") or "file",
                has_token=bool(adapter.get("bearer_token")),
                fields=tuple(_fields(self.request, case)),
                may_omit=_names_on_the_form(self.request.kind),
                csv_fields=tuple(_fields(self.request, case, naming="csv")),
            )
        )

    def _state(self) -> ContainerState:
        return self.host.engine.state(self.model)

    def _stopped_state(self) -> ContainerState:
        """Stop the model; only then does the engine say whether one of its processes ran out of memory."""
        self.host.engine.kill(self.model)
        return wait_exited(self.host.engine, self.model)

    def _logs(self) -> str:
        return self.host.engine.logs(self.model)

    def _measure_memory(self) -> None:
        if self.memory:
            self.result.peak_memory_bytes = self.memory.poll()

    def _last_words(self) -> str:
        """Stop the model and return what it printed; nothing where it never was."""
        if not self.model:
            return ""
        try:
            self.host.engine.kill(self.model)
            return self._logs()
        except EngineFault:
            return ""


def read_body(body: bytes, call: Call, request: RunRequest) -> Any:
    """Return the answer in a response body. Raises ContainerFault(BAD_PREDICTION)."""
    path = request.adapter.get("probability_path")
    try:
        value = parse_strict(body, may_begin_with_bom=True)
        return request.kind.read_answer(value, path, series=call.series_uid, lesion=call.lesion_id)
    except NotStrictJson as error:
        raise ContainerFault("BAD_PREDICTION", f"The answer {error}.") from error
    except BadAnswer as error:
        raise ContainerFault("BAD_PREDICTION", error.note) from error


def write_plan(request: RunRequest, calls: Sequence[Call], image: EngineImage) -> None:
    """Write what the driver is to do; nothing in it names a case as we name it."""
    plan_dir = request.run_dir
    plan_dir.mkdir(parents=True, exist_ok=True)
    path = plan_dir / "plan.json"
    path.write_text(json.dumps(plan_of(request, calls, image)), encoding="utf-8")
    path.chmod(0o644)
    plan_dir.chmod(0o755)


def port_of(request: RunRequest, image: EngineImage) -> int:
    """Return the port to call: the one on the form, the image's only one, or the contract's."""
    given = request.adapter.get("port")
    return int(given) if given else image.ports[0] if len(image.ports) == 1 else DEFAULT_PORT


def plan_of(request: RunRequest, calls: Sequence[Call], image: EngineImage) -> dict[str, Any]:
    adapter, limits = request.adapter, request.limits
    token = adapter.get("bearer_token")
    return {
        "port": port_of(request, image),
        "path": request.endpoint or adapter.get("path") or request.kind.endpoint_path,
        "authorization": f"Authorization: Bearer {token}\r\n" if token else "",
        "file_field": adapter.get("file_field") or "file",
        "boundary": f"lunasite{random.getrandbits(128):032x}",
        "startup_s": limits.startup_s + STARTUP_SLACK_S,
        "predict_timeout_s": limits.predict_timeout_s,
        "parallel": max(1, limits.parallel),
        "response_bytes": limits.response_bytes,
        "shown_bytes": SHOWN_ANSWER if request.stage == TRIAL else 0,
        "groups": _groups(request, calls),
    }


def _groups(request: RunRequest, calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Return the calls by image file: neighbours that share one are made one after the other."""
    root = request.cases_root
    by_file = itertools.groupby(calls, key=lambda call: (call.case.series_key, call.case.image_path))
    return [
        {"file": f"{CASES_AT}/{path.relative_to(root)}", "calls": [_planned(request, call) for call in group]}
        for (_, path), group in by_file
    ]


def _planned(request: RunRequest, call: Call) -> dict[str, Any]:
    fields = _fields(request, call.case, call.series_uid, call.lesion_id)
    suffix = call.case.image_path.suffix.lower()
    content_type = CONTENT_TYPES.get(suffix, "application/octet-stream")
    name = f"{call.series_uid}{suffix}"
    return {"number": call.number, "file_name": name, "content_type": content_type, "fields": fields}


def _fields(
    request: RunRequest, case: RunCase, series: str = "", lesion: int = 0, naming: str | None = None
) -> dict[str, str]:
    adapter = request.adapter
    return request.kind.request_fields(
        case.facts,
        series=series,
        lesion=lesion,
        naming=naming or adapter.get("field_names") or "camelCase",
        omit=adapter.get("omit") or (),
    )


def _names_on_the_form(kind: Kind) -> dict[str, str]:
    """Return what the form can leave out, by each name that it can be sent under; not each case has all of it."""
    return {sent: name for name in kind.optional_fields for sent in (name, kind.csv_field_names[name])}


CONTRACT = Contract(
    name="http",
    label="HTTP service",
    rank=0,
    serves=lambda kind: bool(kind.endpoint_path),
    runner=HttpRunner,
    summary=lambda kind: (
        f"Listens on port {DEFAULT_PORT} and answers `POST {kind.endpoint_path}` for one case a call, "
        f"with {kind.answer_sentence}. Another port, path or field name, or another place of the number, can be "
        "named on the form."
    ),
    guide=GUIDE,
    kind_guide=lambda kind: kind.request_guide,
    api_facts=lambda kind: {"path": kind.endpoint_path, "port": DEFAULT_PORT},
)

__all__ = ["CONTRACT", "HttpRunner", "plan_of", "read_body", "write_plan"]
