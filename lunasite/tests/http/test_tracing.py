"""One trace from the web through the queue to the worker, sent to a collector that speaks OTLP."""

import importlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import structlog
from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from lunasite.http import tracing
from lunasite.http.tracing import continued, current_traceparent, past_span, span
from submissions import tasks
from submissions.models import Evaluation
from submissions.tests.factories import csv_file, make_member, make_phase

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def collector(settings, monkeypatch):
    """A collector's HTTP endpoint; gives a function that returns the spans it has received."""
    received = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            message = ExportTraceServiceRequest.FromString(body)
            received.extend(s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    settings.OTEL_ENDPOINT = f"http://127.0.0.1:{server.server_port}"
    fresh = tracing._Tracers()
    monkeypatch.setattr(tracing, "_tracers", fresh)

    def spans():
        fresh.get().span_processor.force_flush()
        return {span.name: span for span in received}

    yield spans
    server.shutdown()
    server.server_close()


def test_without_a_collector_a_span_is_nothing(settings):
    settings.OTEL_ENDPOINT = ""
    with span("work"):
        assert current_traceparent() == ""
    with continued(PARENT), span("work"):
        assert current_traceparent() == PARENT
    assert current_traceparent() == ""


@pytest.mark.parametrize("text", ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", PARENT.replace("-", "_")])
def test_what_is_no_traceparent_begins_no_trace(text):
    with continued(text):
        assert current_traceparent() == ""


def test_spans_are_children_of_what_came_in(collector):
    with continued(PARENT), span("outer", attempt=1), span("inner"):
        past_span("call", 0.5)
    spans = collector()
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert spans["outer"].parent_span_id.hex() == "00f067aa0ba902b7"
    assert spans["inner"].parent_span_id == spans["outer"].span_id
    assert spans["call"].parent_span_id == spans["inner"].span_id
    length_s = (spans["call"].end_time_unix_nano - spans["call"].start_time_unix_nano) / 1e9
    assert 0.5 <= length_s < 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_submission_is_one_trace_from_the_request_to_its_evaluation(collector):
    user, phase = make_member(), make_phase()
    client = Client()
    client.force_login(user)
    answer = client.post(
        "/api/v1/submissions", {"phase": phase.slug, "file": csv_file()}, headers={"traceparent": PARENT}
    )
    assert answer.status_code == 201
    evaluation = Evaluation.objects.get()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]):
        tasks.evaluate(evaluation.pk)
    spans = collector()
    assert {spans["request"].trace_id.hex(), spans["evaluate"].trace_id.hex()} == {TRACE}
    assert spans["evaluate"].parent_span_id == spans["request"].span_id


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_every_line_of_a_worker_names_submission_and_attempt(settings, monkeypatch):
    settings.OTEL_ENDPOINT = ""
    user, phase = make_member(), make_phase()
    client = Client()
    client.force_login(user)
    client.post("/api/v1/submissions", {"phase": phase.slug, "file": csv_file()}, headers={"traceparent": PARENT})
    evaluation = Evaluation.objects.get()
    module = importlib.import_module("submissions.actions.evaluate")
    monkeypatch.setattr(module, "_csv_outcome", lambda evaluation: 1 / 0)
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        tasks.evaluate(evaluation.pk)
    crashed = next(line for line in lines if line["event"] == "evaluation crashed")
    assert crashed["submission"] == str(evaluation.submission_id)
    assert (crashed["attempt"], crashed["trace_id"]) == (1, TRACE)
