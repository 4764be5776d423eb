"""Model archives apart from the image, and images of earlier submissions named again."""

import gzip
import sys
import uuid

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from submissions import actions
from submissions.actions import free_files
from submissions.models import ModelArchive, Submission, Upload
from submissions.tests.factories import make_member, make_phase
from submissions.tests.image_archives import Member, tar
from submissions.tests.sent_images import IMAGE, URL, image, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
MODEL = gzip.compress(tar([Member("weights.txt", b"0.75")]))


def uploaded(client, data=MODEL, name="model.tar.gz", purpose="model"):
    """Send a file as a resumable upload and return its id."""
    requested = {"filename": name, "size": len(data), "purpose": purpose}
    begun = client.post("/api/v1/uploads", requested, content_type="application/json")
    assert begun.status_code == 201, begun.content
    pk = begun.json()["id"]
    put = client.put(f"/api/v1/uploads/{pk}/parts/1", data, content_type="application/octet-stream")
    assert put.status_code in (200, 201, 204), put.content
    assert client.post(f"/api/v1/uploads/{pk}/complete").status_code == 200
    return pk


def sent(client, phase, **fields):
    return client.post(URL, {"phase": phase.slug, **fields})


def test_an_archive_is_combined_with_an_image_and_kept_for_the_team(client):
    phase = make_phase()
    model = uploaded(client)
    first = sent(client, phase, file=image(), model_archive=model)
    assert first.status_code == 201, first.content
    assert first.json()["model_archive"] == model
    kept = ModelArchive.objects.get()
    assert (str(kept.pk), kept.size_bytes) == (model, len(MODEL))
    assert not Upload.objects.exists()

    again = sent(client, phase, file=image(), model_archive=model)
    assert again.json()["model_archive"] == model
    assert Submission.objects.filter(model_archive=kept).count() == 2


def test_an_earlier_image_is_run_again_without_an_upload(client):
    old, new = make_phase(), make_phase()
    first = sent(client, old, file=image()).json()
    Submission.objects.filter(pk=first["id"]).update(image_id="sha256:abc")
    answer = sent(client, new, image=first["id"], model_archive=uploaded(client), writable_folders="/data")
    assert answer.status_code == 201, answer.content
    before, after = (Submission.objects.get(pk=item) for item in (first["id"], answer.json()["id"]))
    assert (after.file, after.sha256, after.image_id) == (before.file, before.sha256, "sha256:abc")
    assert (after.phase, after.writable_folders) == (new, ["/data"])
    assert after.model_archive is not None
    assert after.evaluations.count() == 1


def test_an_image_whose_file_goes_meanwhile_is_not_run_again(client, monkeypatch):
    """Files are made room of at any time; a submission without its file could only fail, by our fault."""
    phase = make_phase()
    first = Submission.objects.get(pk=sent(client, phase, file=image()).json()["id"])
    actions.cancel(submission=first)

    def goes_meanwhile(**_):
        assert free_files.free([first]).files == 1

    monkeypatch.setattr(sys.modules["submissions.actions.submit_image"], "check_may_submit", goes_meanwhile)
    answer = sent(client, phase, image=first.pk)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "IMAGE_NOT_FOUND")
    assert Submission.objects.get() == first


def test_what_another_team_sent_is_not_there(client):
    other = Client()
    other.force_login(make_member())
    phase = make_phase()
    theirs, model = sent(other, phase, file=image()).json()["id"], uploaded(other)
    for fields, code in [
        ({"image": theirs}, "IMAGE_NOT_FOUND"),
        ({"image": uuid.uuid4()}, "IMAGE_NOT_FOUND"),
        ({"file": image(), "model_archive": model}, "MODEL_ARCHIVE_NOT_FOUND"),
        ({"file": image(), "model_archive": uuid.uuid4()}, "MODEL_ARCHIVE_NOT_FOUND"),
    ]:
        answer = sent(client, phase, **fields)
        assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert Submission.objects.count() == 1


def test_an_image_is_no_model_and_a_model_is_no_image(client):
    phase = make_phase()
    as_model = {"filename": "model.tar", "size": len(IMAGE), "purpose": "model"}
    refused = client.post("/api/v1/uploads", as_model, content_type="application/json")
    assert (refused.status_code, refused.json()["error_code"]) == (400, "MODEL_ARCHIVE")
    an_image = uploaded(client, IMAGE, "image.tar", purpose="image")
    answer = sent(client, phase, file=image(), model_archive=an_image)
    assert answer.json()["error_code"] == "MODEL_ARCHIVE_NOT_FOUND"
    answer = sent(client, phase, upload=uploaded(client))
    assert answer.status_code == 400, answer.content


def test_only_one_way_to_name_an_image(client):
    phase = make_phase()
    first = sent(client, phase, file=image()).json()["id"]
    answer = sent(client, phase, file=image(), image=first)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "FILE_REQUIRED")


def test_the_form_takes_both_ids(client, user):
    phase = make_phase()
    first = sent(client, phase, file=image()).json()["id"]
    model = uploaded(client)
    page = client.post(form_of(phase), {"contract": "http", "image": first, "model_archive": model})
    assert page.status_code == 302, page.content
    newest = Submission.objects.order_by("-created_at").first()
    assert (str(newest.model_archive_id), newest.file) == (model, Submission.objects.get(pk=first).file)
    with pytest.raises(Exception, match="no image with this id"):
        actions.submit_again(user=user, phase=phase, earlier_id=uuid.uuid4(), received_at=newest.created_at)


def model_file(data=MODEL, name="model.tar.gz"):
    return SimpleUploadedFile(name, data)


@pytest.mark.parametrize("way", ["api", "form"])
def test_an_archive_comes_in_the_same_request(client, user, way):
    phase = make_phase()
    fields = {"contract": "http", "file": image(), "model_archive": model_file()}
    answer = sent(client, phase, **fields) if way == "api" else client.post(form_of(phase), fields)
    assert answer.status_code in (201, 302), answer.content
    submission = Submission.objects.get()
    kept = submission.model_archive
    assert (kept.team, kept.original_name, kept.size_bytes) == (submission.team, "model.tar.gz", len(MODEL))
    with default_storage.open(kept.file) as file:
        assert file.read() == MODEL
    assert str(kept.pk) in client.get(f"/submissions/{submission.pk}/").content.decode()

    again = sent(client, phase, image=submission.pk, model_archive=kept.pk)
    assert again.json()["model_archive"] == str(kept.pk)


@pytest.mark.parametrize("way", ["api", "form"])
@pytest.mark.parametrize(
    "fields",
    [
        {"model_archive": ("model.tar", MODEL)},
        {"model_archive": ("model.tar.gz", b"weights")},
        {"model_archive": ("model.tar.gz", MODEL), "image": ""},
        {"model_archive": ("model.tar.gz", MODEL), "contract": "no such"},
    ],
    ids=["name", "content", "no_image", "contract"],
)
def test_an_archive_that_is_not_submitted_leaves_nothing(client, settings, way, fields):
    phase = make_phase()
    data = {"contract": "http", "file": image(), **fields}
    data["model_archive"] = model_file(*reversed(fields["model_archive"]))
    if "image" in fields:
        del data["file"]
    answer = sent(client, phase, **data) if way == "api" else client.post(form_of(phase), data)
    assert answer.status_code == 400, answer.content
    assert not ModelArchive.objects.exists()
    assert not Submission.objects.exists()
    assert stored_files(settings) == []


@pytest.mark.parametrize("way", ["api", "form"])
def test_a_refused_submission_uses_no_upload_of_an_archive_up(client, way):
    """It stays an upload, which expires and can be deleted; an archive would take of the team's room for good."""
    ended, phase = make_phase(accepts_docker=False), make_phase()
    model = uploaded(client)
    fields = {"contract": "http", "file": image(), "model_archive": model}
    answer = sent(client, ended, **fields) if way == "api" else client.post(form_of(ended), fields)
    assert answer.status_code == 400, answer.content
    assert not ModelArchive.objects.exists()
    assert client.get(f"/api/v1/uploads/{model}").json()["is_complete"]

    assert sent(client, phase, file=image(), model_archive=model).status_code == 201
    assert str(ModelArchive.objects.get().pk) == model
    assert not Upload.objects.exists()


def test_an_archive_of_a_submission_stays_whatever_becomes_of_the_next(client):
    phase, ended = make_phase(), make_phase(accepts_docker=False)
    model = uploaded(client)
    assert sent(client, phase, file=image(), model_archive=model).status_code == 201
    assert sent(client, ended, file=image(), model_archive=model).status_code == 400
    assert str(ModelArchive.objects.get().pk) == model


def test_a_repeated_request_keeps_one_archive(client, settings):
    phase = make_phase()
    for _ in range(2):
        fields = {"phase": phase.slug, "file": image(), "model_archive": model_file()}
        assert client.post(URL, fields, headers={"Idempotency-Key": "one"}).status_code == 201
    assert Submission.objects.get().model_archive == ModelArchive.objects.get()
    assert len(stored_files(settings)) == 2


def form_of(phase):
    return f"/phases/{phase.slug}/submit-image/"


def test_another_team_s_model_archive_is_not_found(client):
    phase = make_phase()
    model = uploaded(client)
    assert sent(client, phase, file=image(), model_archive=model).status_code == 201
    stranger = Client()
    stranger.force_login(make_member())
    refused = sent(stranger, phase, file=image(), model_archive=model)
    assert refused.status_code == 400
    assert refused.json()["error_code"] == "MODEL_ARCHIVE_NOT_FOUND"
