"""What goes over the pipe comes back the same, and nothing else gets through."""

import json
import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.ct.geometry import PointOutsideScan
from inference.ct.reading.errors import InvalidImageFile
from inference.networks.answers import (
    CleanPicture,
    LesionAnswer,
    LesionViews,
    ModelFailed,
    ModelStatus,
    ModelUnavailable,
    PictureStatistics,
    ServiceBusy,
    ServiceStatus,
    SliceAnswer,
    SliceExplanation,
    TimedOut,
)
from inference.networks.worker.wire import (
    LENGTH,
    MAX_FRAME_BYTES,
    ProtocolError,
    error_from_json,
    error_to_json,
    from_json,
    receive_frame,
    result_of,
    send_frame,
    to_json,
)

KINDS = [CleanPicture, LesionAnswer, LesionViews, ServiceStatus, SliceAnswer, SliceExplanation, PictureStatistics]
finite = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(float, finite)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_survives_the_journey(kind):
    @given(st.from_type(kind))
    def journey(answer):
        assert from_json(kind, json.loads(json.dumps(to_json(answer)))) == answer

    settings(max_examples=30, deadline=None)(journey)()


ERRORS = [
    ServiceBusy(7),
    TimedOut(),
    ModelFailed(),
    ModelUnavailable(),
    InvalidImageFile("HEADER_DIMS", "a sentence"),
    PointOutsideScan(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_arrives_as_itself(error):
    with pytest.raises(type(error)) as arrived:
        result_of(LesionAnswer, json.loads(json.dumps({"error": error_to_json(error)})))
    assert (arrived.value.code, arrived.value.note) == (error.code, error.note)
    assert getattr(arrived.value, "retry_after_s", None) == getattr(error, "retry_after_s", None)


def test_an_unknown_error_leaks_none_of_its_words():
    assert "secret" not in json.dumps(error_to_json(RuntimeError("secret /srv/path")))


GOOD = {"probabilities": [0.5], "model_version": "v", "processing_ms": 3, "statistics": {}}
GARBLED = [
    None, [], "x", 3, {"answer": None}, {"answer": []}, {"answer": {**GOOD, "more": 1}},
    {"answer": {**GOOD, "probabilities": ["0.5"]}}, {"answer": {**GOOD, "probabilities": [True]}},
    {"answer": {**GOOD, "probabilities": [float("nan")]}}, {"answer": {**GOOD, "processing_ms": 3.5}},
    {"answer": {key: value for key, value in GOOD.items() if key != "model_version"}},
    {"answer": {**GOOD, "statistics": {"a": float("inf")}}}, {"answer": {**GOOD, "statistics": {1: 1.0}}},
    {"answer": {key: value for key, value in GOOD.items() if key != "statistics"}},
    {"error": {"code": "X", "note": "x", "more": 1}},
    {"error": None}, {"error": {}}, {"error": {"code": 3, "note": "x"}},
]  # fmt: skip


@pytest.mark.parametrize("message", GARBLED, ids=str)
def test_what_is_no_answer_is_not_believed(message):
    with pytest.raises(ProtocolError):
        result_of(LesionAnswer, message)


def test_a_busy_without_seconds_is_garbled():
    with pytest.raises(ProtocolError):
        error_from_json({"code": "TRY_AGAIN", "note": "x"})


@pytest.mark.parametrize("png", ["x", "YQ", "YR==", "YQ==\n", 3, None])
def test_a_picture_that_is_no_base64_is_garbled(png):
    statistics = dict.fromkeys(("mean", "std", "min", "max", "p01", "p50", "p99"), 0.0) | {"height": 1, "width": 1}
    assert from_json(CleanPicture, {"png": "YQ==", "statistics": statistics}).png == b"a"
    with pytest.raises(ProtocolError):
        from_json(CleanPicture, {"png": png, "statistics": statistics})


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_frames_of_any_length_arrive_whole(pair):
    ours, theirs = pair
    messages = [{"n": 1}, {"text": "é" * 200_000}, []]
    sender = threading.Thread(target=lambda: [send_frame(theirs, message) for message in messages])
    sender.start()
    assert [receive_frame(ours) for _ in messages] == messages
    sender.join()


def test_a_dripping_sender_does_not_outlast_the_deadline(pair):
    ours, theirs = pair
    theirs.sendall(LENGTH.pack(100))
    stop = threading.Event()

    def drip():
        while not stop.wait(0.02):
            theirs.send(b"x")

    dripper = threading.Thread(target=drip)
    dripper.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        receive_frame(ours, began + 0.2)
    assert time.monotonic() - began < 1.7  # all of it takes two seconds
    stop.set()
    dripper.join()


@pytest.mark.parametrize(
    "data", [LENGTH.pack(MAX_FRAME_BYTES + 1), LENGTH.pack(3) + b"{x}", LENGTH.pack(2) + b"\xff\xff"]
)
def test_frames_that_are_no_json_are_garbled(pair, data):
    ours, theirs = pair
    theirs.sendall(data)
    with pytest.raises(ProtocolError):
        receive_frame(ours)


def test_the_end_of_the_other_side_is_noticed(pair):
    ours, theirs = pair
    theirs.close()
    with pytest.raises(EOFError):
        receive_frame(ours)


def test_a_model_status_knows_when_it_is_loaded():
    assert ModelStatus("lesion", "loaded", "v1").is_loaded
    assert not ServiceStatus("cpu", [ModelStatus("lesion", "missing")]).all_loaded
