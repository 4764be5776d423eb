"""What the platform sends to a participant's container is what its own API takes: the driver calls our own site."""

import base64
import json

import numpy as np
import pytest
import SimpleITK
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from inference.api.requests import LesionRequest, SliceRequest
from inference.tests.fake_engine import FakeEngine
from inference.tests.samples import picture
from submissions.accounts.tokens import create_token
from submissions.kinds import KINDS
from submissions.kinds.clinical import READERS
from submissions.kinds.lesion import FIELD_NAMES
from submissions.models import Case
from submissions.runner.base import RunCase
from submissions.runner.contracts import http
from submissions.runner.contracts.http import plan_of
from submissions.runner.driver.calling import carry_out
from submissions.runner.pseudonymize import pseudonymize_cases
from submissions.runner.values import EngineImage
from submissions.tests.factories import make_user
from submissions.tests.run_requests import run_request

IMAGE = EngineImage("sha256:abc", {}, (), ())
HEADER = (
    "PatientID,SeriesInstanceUID,CoordX,CoordY,CoordZ,LesionID,AnnotationID,label,StudyDate,Age_at_StudyDate,Gender"
)
ROWS = [
    "P1,1.1,1,2,3,1,A1,0,20010101.0,55.0,F",
    "P2,1.2,-0.25,1e0,.5,1,A2,1,2001-01-01,000Y,male",
    "P3,1.3,5,4.999999,+3,1,A3,0,,,",
    "P4,1.4,1.0000001,0,0,1,A4,1,20240229,130.0,M",
]


@pytest.fixture
def fake(monkeypatch):
    engine = FakeEngine()
    monkeypatch.setattr("inference.actions.engine", lambda: engine)
    return engine


def drive(live_server, tmp_path, monkeypatch, kind, cases, path):
    """Carry out the plan of an evaluation against our own address; return its events."""
    monkeypatch.setattr(http, "CASES_AT", str(tmp_path))
    token = create_token(user=make_user("driver"), name="t")[1]
    adapter = {"port": int(live_server.url.rpartition(":")[2]), "bearer_token": token, "path": path}
    request = run_request(kind=KINDS[kind], cases=cases, cases_root=tmp_path, adapter=adapter)
    plan = plan_of(request, pseudonymize_cases(cases, seed=1), IMAGE)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    events: list[dict] = []
    carry_out(str(tmp_path / "plan.json"), events.append)
    return events


def answers(events):
    assert [event for event in events if event["event"] == "fault"] == []
    return [json.loads(base64.b64decode(event["body"])) for event in events if event["event"] == "answer"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/api/v1/predict/lesion", "/apitest/v1/predict/lesion"])
def test_every_lesion_of_an_imported_table_is_answered_by_our_own_api(live_server, tmp_path, monkeypatch, fake, path):
    (tmp_path / "truth.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    image = SimpleITK.GetImageFromArray(np.zeros((8, 8, 8), dtype=np.int16))
    for number in range(1, 5):
        SimpleITK.WriteImage(image, str(tmp_path / f"1.{number}.mha"), useCompression=bool(number % 2))
    call_command("import_dataset", kind="lesion", name="own", truth=str(tmp_path / "truth.csv"), practice=True)
    cases = [
        RunCase(case.public_id, tmp_path / f"{case.facts['series']}.mha", case.facts["series"], case.facts)
        for case in Case.objects.filter(dataset__name="own")
    ]
    found = answers(drive(live_server, tmp_path, monkeypatch, "lesion", cases, path))
    assert [KINDS["lesion"].read_answer(answer) for answer in found] == [(0.5,)] * 4


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/predict", "/api/v1/predict/ct"])
def test_every_slice_is_answered_by_our_own_api(live_server, tmp_path, monkeypatch, fake, path):
    for number, kind in enumerate(("PNG", "JPEG")):
        (tmp_path / f"{number}.{kind.lower()}").write_bytes(picture(kind=kind))
    cases = [RunCase(path.name, path, path.name, {}) for path in sorted(tmp_path.glob("?.*"))]
    found = answers(drive(live_server, tmp_path, monkeypatch, "slice", cases, path))
    assert [KINDS["slice"].read_answer(answer) for answer in found] == [pytest.approx((0.7, 0.1, 0.1, 0.1))] * 2


API_NAMES = {csv: api for api, csv in FIELD_NAMES.items()}
CELLS = st.one_of(
    st.text(max_size=12), st.from_regex(r"[0-9]{1,4}(\.0?)?Y?", fullmatch=True),
    st.from_regex(r"(19|20)[0-9]{2}-?[01][0-9]-?[0-3][0-9](\.0)?", fullmatch=True),
    st.sampled_from(["F", "m", "male", "FEMALE", "O", "\u0661", "٣"]),
)  # fmt: skip


@pytest.mark.slow
@given(column=st.sampled_from(sorted(READERS)), text=CELLS)
def test_whatever_a_table_is_read_as_the_api_takes(column, text):
    try:
        value = READERS[column](text)
    except ValueError:
        return
    field: serializers.Field = LesionRequest().fields[API_NAMES[column]]
    assert str(field.run_validation(value)) == value


def test_the_driver_sends_no_field_that_the_api_does_not_know():
    facts = {"point_xyz_mm": [1, 2, 3], "clinical": {"StudyDate": "20010101", "Age_at_StudyDate": "5", "Gender": "F"}}
    sent = KINDS["lesion"].request_fields(facts, series="7", lesion=1)
    # A container is sent what the earlier system sent; what only this site's own model knows is left out.
    assert set(sent) == set(LesionRequest().fields) - {"file", "rawFile", "allowNonHu", "recenter"}
    assert set(KINDS["slice"].request_fields({}, series="7", lesion=1)) == set(SliceRequest().fields) - {"file"}
