"""What a model answers, over HTTP and as a batch's file, and what a batch finds in its input."""

import io
import json
import tarfile

import pytest

from submissions.kinds import KINDS
from submissions.kinds.lesion import clinical_information, points_of_interest
from submissions.runner.base import Call, ContainerFault, Limits, RunCase
from submissions.runner.contracts.batch import answer_in, read_answers, write_input
from submissions.runner.contracts.http import read_body
from submissions.runner.diagnosis import diagnose
from submissions.runner.pseudonymize import pseudonymize_cases
from submissions.runner.trial_evidence import evidence_of
from submissions.tests.run_requests import run_cases, run_request

CALL = Call(0, run_cases(1)[0], "2.25.1", 4711)


LESION = KINDS["lesion"]
NAMES = LESION.batch.output_names


@pytest.mark.parametrize(
    ("body", "adapter", "probability"),
    [
        (b'{"data": {"probability": 0.25}}', {}, 0.25),
        (b'{"data": {"probability": 1, "lesionID": 4711, "seriesInstanceUID": "2.25.1"}}', {}, 1.0),
        (b'{"data": [0, 1, {"probability": 0}]}', {"probability_path": "data.2.probability"}, 0.0),
    ],
)
def test_good_bodies(body, adapter, probability):
    assert read_body(body, CALL, run_request(adapter=adapter)) == (probability,)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{}", b"[]", b"null", b'"0.5"', b'{"data": {"probability": "0.5"}}',
        b'{"data": {"probability": true}}',
        b'{"data": {"probability": NaN}}', b'{"data": {"probability": 1e999}}', b'{"data": {"probability": -0.1}}',
        b'{"data": {"probability": 1.1}}', b'{"data": {"probability": 0.1, "probability": 0.2}}', b"[" * 100_000,
        b'{"data": {"probability": 0.1, "lesionID": 1}}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_bad_bodies_are_bad_predictions_and_are_not_quoted(body):
    with pytest.raises(ContainerFault) as caught:
        read_body(body, CALL, run_request())
    assert caught.value.code == "BAD_PREDICTION"
    assert "html" not in caught.value.note


# Batch files


def archive_with(name="0/lung-nodule-malginancy-likelihoods.json", body=b"{}", **member):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(body)
        for key, value in member.items():
            setattr(info, key, value)
        archive.addfile(info, io.BytesIO(body))
    out.seek(0)
    return tarfile.open(fileobj=out)


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (None, "OUTPUT_MISSING"),
        (archive_with("0/other.json"), "OUTPUT_MISSING"),
        (archive_with(type=tarfile.SYMTYPE, linkname="/etc/passwd", body=b""), "OUTPUT_NOT_REGULAR"),
        (archive_with(type=tarfile.LNKTYPE, linkname="x", body=b""), "OUTPUT_NOT_REGULAR"),
        (archive_with(type=tarfile.DIRTYPE, body=b""), "OUTPUT_NOT_REGULAR"),
        (archive_with(type=tarfile.FIFOTYPE, body=b""), "OUTPUT_NOT_REGULAR"),
        (archive_with(body=b" "), "OUTPUT_SCHEMA"),
    ],
)
def test_output_folders_that_hold_no_answer(archive, code):
    with pytest.raises(ContainerFault) as caught:
        answer_in(archive, NAMES)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (None, "wrote nothing to /output: write the answer to /output/answer.json"),
        (archive_with("0", type=tarfile.DIRTYPE, body=b""), "wrote nothing to /output"),
        (archive_with("0/antw\udcf6rt\n.json"), "the program wrote /output/antw\N{REPLACEMENT CHARACTER}rt"),
        (
            archive_with("0/out/answer.json"),
            "is read from /output/answer.json, and the program wrote /output/out/answer.json",
        ),
    ],
)
def test_a_missing_answer_is_explained_by_what_is_there(archive, words):
    with pytest.raises(ContainerFault) as caught:
        answer_in(archive, ["answer.json"])
    diagnosis = diagnose(evidence_of(caught.value, Limits(), None, 0))
    assert words in diagnosis
    assert diagnosis.encode().decode().isprintable()  # as PostgreSQL and a page need it


@pytest.mark.parametrize(
    ("output", "code", "note"),
    [
        ('{"points": [{"name": "NAME", "probability": NaN}]}', "BAD_PREDICTION", "The answer holds NaN"),
        ('{"points": [{"name": "NAME", "probability": 1.5}]}', "BAD_PREDICTION", ""),
        (
            '{"points": [{"name": "NAME", "name": "NAME", "probability": 1}]}',
            "OUTPUT_SCHEMA",
            "The answer repeats a key.",
        ),
        ('{"points": [{"name": "holds", "probability": 1}]}', "OUTPUT_SCHEMA", "exactly the points"),
        ('{"points": [{"name": 7}]}', "OUTPUT_SCHEMA", "no list of named points"),
        ("[]", "OUTPUT_SCHEMA", "no list of named points"),
        ("holds", "OUTPUT_SCHEMA", "The answer is not JSON."),
    ],
)
def test_an_output_that_answers_badly_says_how(output, code, note):
    [call] = pseudonymize_cases(run_cases(1), seed=1)
    with pytest.raises(ContainerFault) as caught:
        list(read_answers(output.replace("NAME", str(call.lesion_id)).encode(), [call], LESION))
    assert (caught.value.code, note in caught.value.note) == (code, True), caught.value


def test_points_come_back_by_name_in_any_order():
    calls = pseudonymize_cases(run_cases(2), seed=1)
    points = [{"name": str(call.lesion_id), "probability": call.number / 10} for call in reversed(calls)]
    answers = list(read_answers(json.dumps({"points": points}).encode(), calls, LESION))
    assert sorted((call.number, answer) for call, answer in zip(calls, answers, strict=True)) == [
        (0, (0.0,)),
        (1, (0.1,)),
    ]


def test_input_of_a_batch_carries_nothing_but_the_contract(tmp_path):
    image = tmp_path / "patient-7.mha"
    image.write_bytes(b"voxels")
    clinical = {"Gender": "female", "Age_at_StudyDate": "61", "PatientID": "7", "label": 1}
    facts = {"series": "1.2.3", "lesion": "7", "point_xyz_mm": [1.0, 2.0, 3.0], "clinical": clinical}
    call = Call(0, RunCase("case", image, "1.2.3", facts), "2.25.9", 4711)

    folder = write_input(tmp_path / "input", [call], LESION, {})

    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    clinical_file, points_file = "clinical-information-lung-ct.json", "nodule-locations.json"
    assert names == [clinical_file, "images/chest-ct/2.25.9.mha", "inputs.json", points_file]
    inputs = json.loads((folder / "inputs.json").read_text())
    assert [(each["socket"]["slug"], each["socket"]["relative_path"]) for each in inputs] == [
        ("chest-ct", "images/chest-ct"), ("nodule-locations", points_file), (clinical_file[:-5], clinical_file),
    ]  # fmt: skip
    assert [each["value"] for each in inputs[1:]] == [
        json.loads((folder / name).read_text()) for name in (points_file, clinical_file)
    ]
    assert inputs[0]["image"] == {"name": "2.25.9.mha"}
    assert "patient-7" not in json.dumps(inputs)
    assert json.loads((folder / "nodule-locations.json").read_text()) == {
        "name": "Points of interest", "type": "Multiple points",
        "points": [{"name": "4711", "point": [1.0, 2.0, 3.0]}], "version": {"major": 1, "minor": 0},
    }  # fmt: skip
    assert json.loads((folder / "clinical-information-lung-ct.json").read_text()) == {
        "age": 61, "gender": "FEMALE", "smoking_status": "Unknown", "clinical_category": None,
        "regional_nodes_category": None, "metastasis_category": None,
    }  # fmt: skip


def test_unknown_age_and_gender_are_null():
    assert clinical_information({}) | {"smoking_status": None} == dict.fromkeys(clinical_information({}))
    assert points_of_interest([])["points"] == []
