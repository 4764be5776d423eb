"""What a kind of task decides: requests, answers, truth, packing."""

import numpy as np
import pytest

from submissions.kinds import KINDS, BadAnswer, Kind
from submissions.kinds.base import BatchFiles, SentCase
from submissions.kinds.packing import pack, unpack
from submissions.scoring import CURVES, METRICS, curves, metrics_of, score

CLASSES = ("adenocarcinoma", "large_cell_carcinoma", "squamous_cell_carcinoma", "normal")


LESION, SLICE = KINDS["lesion"], KINDS["slice"]


def facts(**clinical):
    return {"point_xyz_mm": [61.14, -163.28, -177.75], "clinical": clinical}


def answer(value):
    return {"status": "success", "data": {"seriesInstanceUID": "s1", "lesionID": 4, "probability": value}}


# Row K12: what counts as no prediction.
@pytest.mark.parametrize(
    "value",
    [
        None, {}, [], "text", True, 0.5, {"data": {}}, {"probability": 0.5}, answer("0.5"), answer(True),
        answer(None), answer([0.5]), answer(float("nan")), answer(float("inf")), answer(-0.1), answer(1.1),
        answer(10**400), answer(-(10**400)),
    ],
)  # fmt: skip
def test_an_answer_without_a_probability_is_refused(value):
    with pytest.raises(BadAnswer) as caught:
        LESION.read_answer(value)
    assert caught.value.code == "BAD_PREDICTION"


@pytest.mark.parametrize(("value", "expected"), [(0.25, 0.25), (0, 0.0), (1, 1.0), (-0.0, 0.0), (5e-324, 5e-324)])
def test_a_number_from_zero_to_one_is_a_probability(value, expected):
    assert LESION.read_answer(answer(value)) == (expected,)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("probability", {"probability": 0.3}),
        ("data.2.probability", {"data": [{}, {}, {"probability": 0.3}]}),
        ("0", [0.3]),
        ("a.b.c", {"a": {"b": {"c": 0.3}}}),
        ("", 0.3),
    ],
)
def test_the_probability_is_found_where_the_adapter_says(path, value):
    assert LESION.read_answer(value, path) == (0.3,)


@pytest.mark.parametrize(
    "path", ["data.5.probability", "data.-1.probability", "data.x", "data.probability.y", "data.²"]
)
def test_a_path_that_leads_nowhere_is_a_bad_answer(path):
    with pytest.raises(BadAnswer, match="nothing at"):
        LESION.read_answer({"data": [{"probability": 0.3}]}, path)


@pytest.mark.parametrize(("sent", "is_good"), [(("s1", 4), True), (("s2", 4), False), (("s1", 5), False)])
def test_echoed_ids_must_be_those_sent(sent, is_good):
    if is_good:
        assert LESION.read_answer(answer(0.5), series=sent[0], lesion=sent[1]) == (0.5,)
        return
    with pytest.raises(BadAnswer, match="not the one that was asked for"):
        LESION.read_answer(answer(0.5), series=sent[0], lesion=sent[1])


def test_an_answer_that_echoes_nothing_is_taken():
    assert LESION.read_answer({"probability": 0.5}, "probability", series="s1", lesion=4) == (0.5,)


def test_slices_are_answered_by_class_name_in_any_order():
    probabilities = dict(zip(reversed(CLASSES), (0.1, 0.2, 0.3, 0.4), strict=True))
    assert SLICE.read_answer({"pred_index": 0, "probabilities": probabilities}) == (0.4, 0.3, 0.2, 0.1)
    assert SLICE.read_answer({"scores": [0.4, 0.3, 0.2, 0.1]}, "scores") == (0.4, 0.3, 0.2, 0.1)


@pytest.mark.parametrize(
    "probabilities",
    [
        None, [], [0.5, 0.5], dict.fromkeys(CLASSES[:3], 1 / 3), dict.fromkeys(CLASSES, 0.3),
        dict.fromkeys(CLASSES, "0.25"), [0.25, 0.25, 0.25, True], [0.5, 0.5, 0.5, -0.5], [1.0, 0, 0,
        float("nan")],
    ],
)  # fmt: skip
def test_four_probabilities_that_do_not_fit_are_refused(probabilities):
    with pytest.raises(BadAnswer):
        SLICE.read_answer({"probabilities": probabilities})


def test_a_request_carries_neutral_ids_and_the_point():
    case = facts(StudyDate="19990102", Age_at_StudyDate=63, Gender="Male")
    assert LESION.request_fields(case, series="7", lesion=1) == {
        "seriesInstanceUID": "7", "lesionID": "1", "coordX": "61.14", "coordY": "-163.28",
        "coordZ": "-177.75",
        "patientID": "P-7", "studyDate": "19990102", "ageAtStudyDate": "63", "gender": "Male",
    }  # fmt: skip


def test_a_request_never_carries_the_real_patient():
    case = facts(PatientID="100570", patientID="100570", NoduleID="100570_1", label=1) | {"series": "100570"}
    assert "100570" not in " ".join(LESION.request_fields(case, series="7", lesion=1).values())


@pytest.mark.parametrize(("length", "expected"), [(61, 63), (62, 64), (63, 64), (200, 64)])
def test_the_patients_replacement_has_at_most_64_characters(length, expected):
    patient = LESION.request_fields(facts(), series="7" * length, lesion=1)["patientID"]
    assert patient == ("P-" + "7" * length)[:expected]
    assert len(patient) == expected


def test_a_request_can_speak_luna25s_column_names_and_leave_fields_out():
    case = facts(Age_at_StudyDate="63", Gender="Male")
    fields = LESION.request_fields(case, series="7", lesion=1, naming="csv", omit=["patientID", "Gender", "coordX"])
    assert set(fields) == {"SeriesInstanceUID", "LesionID", "CoordX", "CoordY", "CoordZ", "Age_at_StudyDate"}


def test_a_slice_is_sent_as_its_file_alone():
    assert SLICE.request_fields(facts(), series="7", lesion=1) == {}


@pytest.mark.parametrize(
    ("kind", "text", "truth"),
    [
        (LESION, "0", 0), (LESION, " 1 ", 1), (LESION, "1.0", 1), (LESION, "Malignant", 1),
        (SLICE, "normal", 3), (SLICE, "large.cell.carcinoma", 1), (SLICE, "Squamous cell carcinoma", 2),
        (SLICE, "0", 0),
    ],
)  # fmt: skip
def test_a_label_is_read_in_its_published_spellings(kind, text, truth):
    assert kind.read_label(text) == truth


@pytest.mark.parametrize(("kind", "text"), [(LESION, ""), (LESION, "2"), (LESION, "nan"), (SLICE, "4"), (SLICE, "")])
def test_a_label_that_means_nothing_is_refused(kind, text):
    with pytest.raises(ValueError, match="the label is"):
        kind.read_label(text)


@pytest.mark.parametrize("shape", [(0,), (1,), (6163,), (0, 4), (72, 4)])
def test_predictions_come_back_bit_for_bit(shape):
    predictions = np.random.default_rng(1).random(shape)
    predictions.flat[:1] = np.nan
    back = unpack(pack(predictions))
    assert back.shape == shape
    assert back.tobytes() == predictions.tobytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        *[lambda b, size=size: b[:size] for size in (*range(1, 21), -1)],
        lambda b: b[:3] + b"\0" + b[4:],
        lambda b: b[:3] + b"\3" + b[4:],
        lambda b: b[:20] + b"\xff" * 10 + b[30:],
        lambda b: b"XX" + b[2:],
        lambda b: b[:4] + b"\xff" * 8 + b[12:],
    ],
)
def test_damaged_predictions_are_noticed(damage):
    with pytest.raises(ValueError, match="packed predictions"):
        unpack(damage(pack(np.random.default_rng(1).random(100))))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_names_metrics_and_curves_there_are(kind):
    assert set(kind.metrics) <= set(METRICS)
    assert set(kind.curves) <= set(CURVES)
    assert list(metrics_of(kind.name)) == list(kind.metrics)
    assert METRICS[kind.ranking_metric].can_rank
    assert kind.ranking_metric in kind.metrics


def test_every_metric_and_curve_has_a_kind():
    assert {name for kind in KINDS.values() for name in kind.metrics} == set(METRICS)
    assert {name for kind in KINDS.values() for name in kind.curves} == set(CURVES)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_reads_its_own_template(kind):
    found, missing = kind.value_columns([name.lower() for name in kind.template_header()])
    values = [float(text) for text in kind.template_values()]
    assert (len(found), missing) == (len(values), [])
    assert kind.row_problem(values) is None
    assert all(low <= value <= high for value, (low, high) in zip(values, map(kind.value_range, found), strict=True))
    packed = kind.pack(kind.gather([kind.answer_of([values])] * 3))
    assert len(kind.unpack(packed)) == 3


@pytest.mark.parametrize("kind", [LESION, SLICE], ids=["lesion", "slice"])
def test_a_kind_of_classes_is_scored_and_drawn(kind):
    truth = np.arange(40) % len(kind.class_names)
    predictions = np.random.default_rng(1).random(kind.shape(40))
    if predictions.ndim == 2:
        predictions /= predictions.sum(axis=1, keepdims=True)
    scores = score(kind.name, truth, predictions, ranking=kind.ranking_metric)
    assert set(kind.metrics) <= set(scores)
    assert f"{kind.ranking_metric}_ci" in scores
    assert curves(kind.name, truth, predictions)["roc"]


@pytest.mark.parametrize(("sent", "kept"), [(1.0000001, 1.0), (1 + 1e-6, 1.0), (-1e-7, 0.0), (0.99999994, 0.99999994)])
def test_what_single_precision_adds_to_an_answer_is_clipped_as_in_a_csv(sent, kept):
    assert KINDS["lesion"].read_answer({"data": {"probability": sent}}) == (kept,)
    point = {"points": [{"name": "7", "point": [1, 2, 3], "probability": sent}]}
    assert list(KINDS["lesion"].batch.read_output(point, [SentCase({}, "1.2", 7)])) == [(kept,)]
    assert KINDS["slice"].read_answer({"probabilities": [sent, 0, 0, 1 - kept]})[0] == kept


@pytest.mark.parametrize("sent", [1.0000011, -0.0000011, 1.1, float("nan"), 10**400])
def test_what_lies_further_outside_is_no_probability(sent):
    with pytest.raises(BadAnswer):
        KINDS["lesion"].read_answer({"data": {"probability": sent}})


def test_a_refused_answer_says_why():
    assert str(BadAnswer("no number")) == "no number"


@pytest.mark.parametrize(
    ("base", "methods"),
    [
        (BatchFiles, {"inputs", "read_output"}),
        (Kind, {"read_row", "split_problem", "value_columns", "answer_of", "template_header", "template_values",
                "csv_sentences", "gather", "truths", "pack", "unpack"}),
    ],
)  # fmt: skip
def test_a_kind_that_leaves_a_method_out_cannot_be_made(base, methods):
    assert base.__abstractmethods__ == methods
    for missing in methods:
        written = {name: (lambda self: None) for name in methods - {missing}}
        with pytest.raises(TypeError, match=missing):
            type("Incomplete", (base,), written)()


def test_a_phase_s_own_slug_names_the_output_file():
    batch = KINDS["lesion"].batch
    assert batch.output_files({"output": "my-answer"}) == ("my-answer.json",)
    assert batch.output_files({"image": "ct"}) == batch.output_names
