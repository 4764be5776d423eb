"""Imports begun at the same moment, and uploads that are dropped while something takes them."""

import pytest

from lunasite.http.errors import ApiError
from submissions.models import Dataset, DatasetImport, Upload
from submissions.organise.imports.run import run_next_import
from submissions.organise.imports.start import repeat_import, start_import
from submissions.storage import files as storage
from submissions.storage.files import store
from submissions.tests.organise.conftest import table
from submissions.uploads import resumable
from submissions.uploads.handler import ReceivedFile

pytestmark = pytest.mark.django_db


def received():
    content, key = table().read(), storage.new_key("truth.csv")
    writer = store().writer(key)
    writer.write(content)
    return ReceivedFile("truth.csv", len(content), "", key, writer)


def complete_upload(user):
    stored = storage.stream_in(storage.new_key("images.archive"), [b"PK\x05\x06"])
    return Upload.objects.create(
        user=user, purpose="dataset", original_name="a.zip", key=stored.key, handle=store().begin_parts(stored.key),
        size_bytes=4, part_bytes=4, is_complete=True,
    )  # fmt: skip


def start(user, name, images=None):
    return start_import(
        user=user, kind="lesion", name=name, options={}, is_dry_run=False, truth=received(), images=images
    )


def test_an_upload_goes_to_one_import(organiser, own_files):
    """Both requests have found the upload; the first import to end would delete the archive of the other."""
    upload = complete_upload(organiser)
    twice = Upload.objects.get(pk=upload.pk)
    start(organiser, "a", upload)
    with pytest.raises(ApiError) as refused:
        start(organiser, "b", twice)
    assert refused.value.status_code == 409
    assert DatasetImport.objects.get().images_key == twice.key
    assert len(list((own_files / "files").rglob("*truth*"))) == 1


def test_a_drop_that_comes_late_leaves_the_file(organiser, own_files):
    """A deletion, or the expiry, has found the upload while an import or a submission takes it."""
    upload = complete_upload(organiser)
    late = Upload.objects.get(pk=upload.pk)
    row = start(organiser, "a", upload)
    resumable.drop(late)
    assert store().size(row.images_key) == 4


def test_repeated_imports_count_as_new_ones_do(organiser):
    ended = start(organiser, "a")
    ended.transition_to("stopped")
    for name in ("b", "c"):
        start(organiser, name)
    with pytest.raises(ApiError) as refused:
        repeat_import(row=ended, is_dry_run=True)
    assert refused.value.error_code == "TOO_MANY_IMPORTS"


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_a_name_that_somebody_else_takes_meanwhile_is_theirs(organiser, monkeypatch, is_dry_run):
    """The import would compare its table with another's truth, and take the next version of another's dataset."""
    row = start(organiser, "lungs")
    DatasetImport.objects.filter(pk=row.pk).update(is_dry_run=is_dry_run)

    def made_meanwhile(*_):
        Dataset.objects.create(kind="lesion", name="lungs", content_hash="h" * 64)
        return []

    monkeypatch.setattr("submissions.datasets.importing.suspicions", made_meanwhile)
    run_next_import()
    row.refresh_from_db()
    assert (row.state, row.changes, row.dataset) == ("refused", None, None)
    assert "that is not yours" in row.problems[0]
    assert Dataset.objects.count() == 1
