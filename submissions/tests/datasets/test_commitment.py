"""Commit and reveal: a stranger proves that no label was changed, and learns none before the end."""

import copy
import io
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.datasets.commitment import commitment, revealed_data
from submissions.models import AuditEvent, Case, Dataset, Phase
from submissions.tests.factories import TRUTH, evaluated, make_dataset, make_member, make_phase

pytestmark = pytest.mark.django_db
SPLITS = ["public"] * 4 + ["private"] * 4 + ["public", "private"]


@pytest.fixture
def phase():
    dataset = make_dataset(splits=SPLITS)
    dataset.content_hash = commitment(revealed_data(dataset, dataset.cases.all()))
    dataset.save()
    return make_phase(dataset, slug="luna", closes_at=timezone.now() + timedelta(days=1))


@pytest.fixture
def record(phase, tmp_path):
    """The path of a record that a participant downloaded while the phase ran."""
    user = make_member()
    submission = evaluated(user=user, phase=phase)
    client = Client()
    client.force_login(user)
    path = tmp_path / "record.json"
    path.write_bytes(client.get(f"/api/v1/submissions/{submission.pk}/record").content)
    return path


def end(phase):
    Phase.objects.filter(pk=phase.pk).update(closes_at=timezone.now() - timedelta(seconds=1))
    return Phase.objects.get(pk=phase.pk)


def published(phase, tmp_path):
    """Return the path of the truth as a stranger downloads it after the end."""
    call_command("reveal_dataset", end(phase).dataset.name, stdout=io.StringIO())
    answer = Client().get("/api/v1/phases/luna/truth")
    assert answer["Content-Disposition"] == 'attachment; filename="luna-truth.json"'
    path = tmp_path / "truth.json"
    path.write_bytes(answer.content)
    return path


def verified(record, data):
    out = io.StringIO()
    call_command("verify_record", str(record), data=data, stdout=out)
    return out.getvalue()


@pytest.mark.slow
def test_a_stranger_verifies_that_nothing_was_changed(phase, record, tmp_path):
    truth = published(phase, tmp_path)
    assert "nothing was changed" in verified(record, truth)
    data = json.loads(truth.read_text())
    assert [case["truth"] for case in data["cases"]] == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    truth.write_text(json.dumps(data, indent=1))
    assert "nothing was changed" in verified(record, truth)


CHANGES = {
    "one label": lambda data: data["cases"][3].update(truth=1),
    "a split": lambda data: data["cases"][3].update(split="private"),
    "the order": lambda data: data["cases"].reverse(),
    "a patient": lambda data: data["cases"][3].update(patient=9),
    "an image": lambda data: data["cases"][3].update(image_sha256="0" * 64),
    "a case more": lambda data: data["cases"].append(copy.deepcopy(data["cases"][0])),
    "the seed": lambda data: data.update(bootstrap_seed=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_one_change_is_found(phase, record, tmp_path, change):
    truth = published(phase, tmp_path)
    data = json.loads(truth.read_text())
    change(data)
    truth.write_text(json.dumps(data))
    with pytest.raises(CommandError, match="not the data it was scored on"):
        verified(record, truth)


@pytest.mark.slow
def test_the_script_of_the_docs_says_the_same_without_the_site(phase, record, tmp_path):
    truth = published(phase, tmp_path)
    page = (Path(__file__).parents[3] / "docs" / "signed-records.md").read_text()
    script = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[1]
    changed = json.loads(truth.read_text())
    changed["cases"][0]["truth"] = 1
    for data, says in ((truth.read_text(), "yes"), (json.dumps(changed), "no")):
        truth.write_text(data)
        done = subprocess.run([sys.executable, "-c", script, record, truth], capture_output=True, text=True)
        assert done.stdout == f"data unchanged: {says}\n", done.stderr


def test_a_label_changed_by_the_site_itself_cannot_be_published(phase):
    Case.objects.filter(dataset=phase.dataset, position=0).update(truth=1)
    with pytest.raises(CommandError, match="the data were changed"):
        call_command("reveal_dataset", end(phase).dataset.name)
    assert not AuditEvent.objects.exists()


def test_publishing_by_the_command_line_is_in_the_audit_log(phase):
    call_command("reveal_dataset", end(phase).dataset.name, stdout=io.StringIO())
    [line] = AuditEvent.objects.all()
    assert (line.actor_name, line.action, line.target_name) == ("command line", "publish", str(phase.dataset))


@pytest.mark.parametrize("other", ["open", "none", "unending"])
def test_the_truth_stays_secret_while_a_phase_runs(phase, other):
    if other == "none":
        phase.delete()
        dataset = Dataset.objects.get()
    else:
        dataset = end(phase).dataset
        make_phase(
            dataset, slug="second", closes_at=None if other == "unending" else timezone.now() + timedelta(days=1)
        )
    with pytest.raises(ApiError, match="second" if other != "none" else "no phase over it has ended"):
        actions.reveal(dataset=dataset, now=timezone.now())
    assert Client().get("/api/v1/phases/luna/truth").status_code == 404


@pytest.mark.parametrize(
    ("truth", "ends", "is_secret"),
    [(TRUTH, None, True), (TRUTH, timedelta(days=-1), False), ([], None, False)],
    ids=["it runs", "it has ended", "it has other cases"],
)
def test_the_truth_stays_secret_while_another_version_of_the_dataset_is_in_use(phase, truth, ends, is_secret):
    """Most of its cases are the same."""
    first = end(phase).dataset
    later = make_dataset(truth=truth, splits=SPLITS)
    Dataset.objects.filter(pk=later.pk).update(name=first.name, version=2)
    make_phase(
        Dataset.objects.get(pk=later.pk), slug="second", disclosure="competition",
        opens_at=timezone.now() - timedelta(days=2), closes_at=ends and timezone.now() + ends,
    )  # fmt: skip
    if is_secret:
        with pytest.raises(ApiError, match="other versions of it have not ended: second"):
            actions.reveal(dataset=first, now=timezone.now())
    else:
        actions.reveal(dataset=first, now=timezone.now())
    assert (Dataset.objects.get(pk=first.pk).revealed_at is None) == is_secret


def test_the_data_of_practice_are_public_at_once(phase):
    Dataset.objects.update(is_practice=True)
    actions.reveal(dataset=Dataset.objects.get(), now=timezone.now())
    assert Client().get("/phases/luna/truth.json").status_code == 200


def test_before_the_end_the_commitment_is_public_and_the_secrets_are_not(phase):
    dataset, client = phase.dataset, Client()
    for path in ("/phases/luna/", "/api/v1/phases/luna"):
        shown = client.get(path).content.decode()
        assert dataset.content_hash in shown
        for secret in (dataset.nonce, dataset.secret_key, str(dataset.bootstrap_seed)):
            assert secret not in shown
    for path in ("/api/v1/phases/luna/truth", "/phases/luna/truth.json"):
        assert client.get(path).status_code == 404


def test_the_nonce_decides_the_commitment():
    first, second = make_dataset(), make_dataset()
    hashes = set()
    for dataset in (first, second):
        dataset.name, dataset.version = "same", 1
        hashes.add(commitment(revealed_data(dataset, dataset.cases.all())))
    assert len(hashes) == 2


def test_staff_publish_in_the_admin(phase, client):
    client.force_login(get_user_model().objects.create_superuser("root", "root@example.org", "x"))
    post = {"action": "reveal", "_selected_action": phase.dataset_id}
    page = client.post("/admin/submissions/dataset/", post, follow=True).content.decode()
    assert "have not ended: luna" in page
    end(phase)
    page = client.post("/admin/submissions/dataset/", post, follow=True).content.decode()
    assert "1 published" in page
    assert AuditEvent.objects.get().action == "publish"
    assert "truth.json" in Client().get("/phases/luna/").content.decode()
