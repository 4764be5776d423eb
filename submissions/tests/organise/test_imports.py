"""A dataset by upload: the same refusals as the command, a dry run, a new version with its changes, nothing left."""

import re
import stat
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from submissions.models import AuditEvent, Case, Dataset, DatasetImport, Upload
from submissions.organise.imports import run as running
from submissions.organise.imports.run import run_next_import, sweep_imports
from submissions.organise.imports.start import stop_import
from submissions.storage import files as storage
from submissions.storage.base import StorageError
from submissions.tests.datasets.test_import import HEADER
from submissions.tests.factories import make_dataset, make_member, make_staff
from submissions.tests.organise.conftest import ROWS, table, zip_of_scans
from submissions.uploads.handler import ReceivedFile

pytestmark = pytest.mark.django_db


def archive(content, name="scans.zip"):
    return SimpleUploadedFile(name, content, content_type="application/zip")


def stored_files(name):
    return sorted(path for path in Path(storages[name].location).rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_table_and_its_images_become_a_dataset(send, organiser, tmp_path):
    row = send(images=archive(zip_of_scans(tmp_path)))
    assert (row.state, row.problems) == ("imported", [])
    dataset = Dataset.objects.get()
    assert (str(dataset), dataset.owner, row.dataset) == ("lungs v1", organiser, dataset)
    assert sum(row.counts.values()) == dataset.cases.count() == 40
    assert set(row.counts) == {"public", "private", "sample"}
    assert not dataset.cases.filter(image="").exists()
    # Where the command puts the hidden data, readable by the site alone; what was sent is gone.
    files = stored_files("datasets")
    assert len(files) == 20
    assert all(path.parent.relative_to(storages["datasets"].location) == Path("lungs/v1") for path in files)
    assert stored_files("default") == []
    assert list((Path(running.settings.DATA_DIR) / "scratch").glob("import-*")) == []
    assert AuditEvent.objects.filter(action="import", actor=organiser).exists()


def test_the_command_makes_the_same_of_the_same_files(send, tmp_path):
    header = HEADER + ",part"
    rows = [f"{row},{('public', 'private')[number % 2]}" for number, row in enumerate(ROWS)]
    send(split="column", split_column="part", samples="0", truth=table(rows, header))
    path = tmp_path / "t.csv"
    path.write_bytes(table(rows, header).read())
    call_command("import_dataset", kind="lesion", name="other", truth=str(path), split_column="part", samples=0)
    compared = ("position", "public_id", "truth", "facts", "patient", "split")
    one, other = (Case.objects.filter(dataset__name=name).values_list(*compared) for name in ("lungs", "other"))
    assert list(one) == list(other)
    assert len(one) == 40


REFUSALS = [
    ({"truth": table([*ROWS, ROWS[0]])}, "row 42: the id 'A0' was already given in row 2"),
    ({"truth": table([ROWS[0].replace(",0,Male", ",2,Male"), *ROWS[1:]])}, "row 2: the label is not 0 or 1"),
    ({"truth": table(ROWS, header="PatientID,label")}, "header: there is no id column"),
    ({"truth": table([])}, "the table has no rows"),
    ({"truth": SimpleUploadedFile("t.csv", b"\xff\xfe\x00id")}, "The file is UTF-16. Save it as CSV UTF-8."),
    ({"truth": table(ROWS[:4])}, "the cases are too few to split"),
    ({"split": "column", "split_column": "part"}, "header: there is no column 'part' to split by"),
    ({"split": "column", "split_column": "gender"}, "the split 'male' is none of public, private, sample"),
    ({"images": archive(b"PK\x05\x06" + bytes(18))}, "holds no image that ends in .mha"),
    ({"images": archive(b"PK\x03\x04" + bytes(900))}, "cut short or damaged"),
]


@pytest.mark.parametrize(("fields", "problem"), REFUSALS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_fault_is_told_as_the_command_tells_it(send, fields, problem):
    for file in fields.values():
        if not isinstance(file, str):
            file.seek(0)
    row = send(**fields)
    assert row.state == "refused"
    assert any(problem in told for told in row.problems), row.problems
    assert not Dataset.objects.exists()
    assert stored_files("datasets") == []
    assert row.has_files  # to correct the table without sending the images again


def test_a_missing_image_is_named_with_its_row_and_nothing_is_stored(send, tmp_path):
    row = send(images=archive(zip_of_scans(tmp_path, count=19)))
    assert row.problems == [
        "row 40: the image '1.2.19.mha' is missing or empty",
        "row 41: the image '1.2.19.mha' is missing or empty",
    ]
    assert not Dataset.objects.exists()
    assert stored_files("datasets") == []


@pytest.mark.slow
def test_a_volume_that_cannot_be_opened_is_named(send, tmp_path, browser):
    import io
    import zipfile

    stream = io.BytesIO(zip_of_scans(tmp_path, count=19))
    with zipfile.ZipFile(stream, "a") as more:
        more.writestr("scans/1.2.19.mha", b"NDims = 3\nElementDataFile = /etc/passwd\n")
    row = send(images=archive(stream.getvalue()))
    assert row.n_problems == 1
    assert row.problems[0].startswith("the image '1.2.19.mha' cannot be read")
    assert "passwd" not in browser.get(f"/organise/imports/{row.pk}/").content.decode()


def test_many_problems_are_counted_and_the_first_are_kept(send, monkeypatch):
    monkeypatch.setattr(running, "MAX_PROBLEMS", 5)
    row = send(truth=table([line.replace(",Male", ",Nobody") for line in ROWS]))
    assert (len(row.problems), row.n_problems) == (5, 40)


@pytest.mark.slow
def test_a_check_stores_nothing_and_can_be_followed_by_the_import(send, browser):
    row = send(check=True)
    assert row.state == "checked"
    assert sum(row.counts.values()) == 40
    assert not Dataset.objects.exists()
    assert stored_files("datasets") == []
    page = browser.get(f"/organise/imports/{row.pk}/").content.decode()
    assert "Nothing is stored yet" in page
    assert page.index(">sample case") < page.index(">public case") < page.index(">private case")
    assert "Patients are drawn anew at the import" in page
    browser.post(f"/organise/imports/{row.pk}/again/")
    run_next_import()
    row.refresh_from_db()
    assert (row.state, Dataset.objects.count()) == ("imported", 1)
    assert not row.has_files


def test_an_import_whose_files_are_gone_says_where_to_begin_again(browser, organiser):
    row = DatasetImport.objects.create(
        user=organiser, kind="lesion", name="lungs", truth_name="truth.csv", state="refused"
    )
    page = browser.get(f"/organise/imports/{row.pk}/").content.decode()
    assert reverse("dataset_import_new") in page
    assert "Begin again" in page


@pytest.mark.slow
def test_a_corrected_table_is_enough(send, browser, tmp_path, django_capture_on_commit_callbacks):
    row = send(truth=table([*ROWS, ROWS[0]]), images=archive(zip_of_scans(tmp_path)))
    assert row.state == "refused"
    form = {"name": "lungs", "kind": "lesion", "split": "drawn", "truth": table(name="better.csv")}
    with django_capture_on_commit_callbacks(execute=True):
        browser.post(f"/organise/imports/{row.pk}/again/", form)
    run_next_import()
    row.refresh_from_db()
    assert (row.state, row.truth_name) == ("imported", "better.csv")
    assert not Dataset.objects.get().cases.filter(image="").exists()
    assert stored_files("default") == []


@pytest.mark.parametrize("problem", ["name", "store"])
def test_what_was_typed_stays_where_another_try_is_refused(browser, organiser, monkeypatch, problem):
    row = DatasetImport.objects.create(
        user=organiser, kind="lesion", name="lungs", truth_name="truth.csv", truth_key="k", state="refused"
    )
    taken = make_dataset()
    if problem == "store":
        monkeypatch.setattr(ReceivedFile, "keep", Mock(side_effect=StorageError("away")))
    form = {
        "name": taken.name if problem == "name" else "lungs", "kind": taken.kind, "split": "column",
        "split_column": "which part", "truth": table(),
    }  # fmt: skip
    answer = browser.post(f"/organise/imports/{row.pk}/again/", form)
    assert answer.status_code == (409 if problem == "name" else 503)
    page = answer.content.decode()
    assert 'value="which part"' in page
    assert ("that is not yours" if problem == "name" else "Our file storage has a problem") in page


@pytest.mark.slow
def test_a_new_version_tells_what_it_changes_and_no_label(send):
    send()
    changed = [ROWS[0].replace(",0,Male", ",1,Male"), ROWS[1], *ROWS[3:], "P99,1.2.99,1,2,3,1,A99,1,Male"]
    row = send(check=True, truth=table(changed))
    assert row.changes == {
        "since": 1, "unchanged": 38, "added": {"n": 1, "ids": ["A99"]}, "removed": {"n": 1, "ids": ["A2"]},
        "truth": {"n": 1, "ids": ["A0"]},
    }  # fmt: skip
    assert send(truth=table(changed)).dataset.version == 2
    assert Dataset.objects.get(version=1).cases.count() == 40


def test_somebody_elses_name_is_refused_at_once_and_again_by_the_worker(send, organiser):
    other = make_staff("organiser", name="other")
    Dataset.objects.create(name="lungs", kind="lesion", owner=other)
    answer = send(expected=409)
    assert "not yours" in answer.content.decode()
    assert stored_files("default") == []
    row = send(name="lungs2", run=False)
    Dataset.objects.create(name="lungs2", kind="lesion", owner=other)
    run_next_import()
    row.refresh_from_db()
    assert (row.state, row.changes) == ("refused", None)
    assert "not yours" in row.problems[0]


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"truth": None}, 400, "Choose the table of truth first."),
        ({"truth": SimpleUploadedFile("truth.xlsx", b"PK")}, 400, "Send the table of truth as a .csv."),
        ({"truth": SimpleUploadedFile("truth.csv", b"")}, 400, "Empty file"),
        ({"images": archive(b"x" * 2000, "scans.7z")}, 400, "Send the images as .zip"),
        ({"images": archive(b"x" * 2000)}, 400, "not a zip or tar archive"),
        ({"name": "../x"}, 400, "valid"),
        ({"kind": "music"}, 400, "Select a valid choice"),
        ({"split": "column"}, 400, "Name the column of the table."),
        ({"samples": "-1"}, 400, "greater than or equal to 0"),
        ({"resample_mm": "99"}, 400, "less than or equal to 10"),
        ({"upload": "00000000-0000-4000-8000-000000000000"}, 404, "is gone; choose them again"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_an_import_leaves_nothing(send, fields, status, sentence):
    for file in fields.values():
        if hasattr(file, "seek"):
            file.seek(0)
    answer = send(expected=status, **fields)
    assert sentence in answer.content.decode()
    assert not DatasetImport.objects.exists()
    assert stored_files("default") == []


def test_two_imports_of_a_person_go_at_once_and_a_worker_takes_one(send):
    first, second = send(run=False), send(run=False, name="b")
    assert "At most 2 imports" in send(expected=429, name="c").content.decode()
    first.refresh_from_db()
    first.transition_to("running", attempt=1)
    run_next_import()  # a worker is busy with the first
    second.refresh_from_db()
    assert second.state == "waiting"


def test_a_stopped_import_stores_nothing(send, browser, monkeypatch):
    row = send(run=False)

    def stop_meanwhile(self, name, total):
        if name == "reading the table":
            stop_import(row=DatasetImport.objects.get(pk=row.pk))
        self._report()

    monkeypatch.setattr(running.Recorder, "step", stop_meanwhile)
    run_next_import()
    row.refresh_from_db()
    assert row.state == "stopped"
    assert not Dataset.objects.exists()


@pytest.mark.slow
def test_a_stop_at_the_last_moment_undoes_the_dataset(send, monkeypatch, tmp_path):
    row = send(run=False, images=archive(zip_of_scans(tmp_path)))
    note = running._note

    def stop_then_note(claimed, dataset, found):
        DatasetImport.objects.filter(pk=row.pk).update(state="stopped")
        note(claimed, dataset, found)

    monkeypatch.setattr(running, "_note", stop_then_note)
    run_next_import()
    assert not Dataset.objects.exists()
    assert stored_files("datasets") == []


def test_our_fault_is_told_as_ours_and_the_files_stay(send, monkeypatch):
    row = send(run=False)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(running, "fetch_to", full)
    run_next_import()
    row.refresh_from_db()
    assert (row.state, row.problems, row.has_files) == ("failed", [running.OURS], True)


def messages_of(task):
    return [m for m in OrmQ.objects.all() if SignedPackage.loads(m.payload)["func"] == task]


def test_a_lost_worker_is_noticed_three_times(send):
    row = send(run=False)
    long_ago = timezone.now() - timedelta(hours=1)
    for attempt in (1, 2, 3):
        row.transition_to("running", attempt=attempt, seen_at=long_ago)
        OrmQ.objects.all().delete()
        DatasetImport.objects.update(created_at=long_ago)
        row.refresh_from_db()
        sweep_imports()
        row.refresh_from_db()
    assert (row.state, row.problems) == ("failed", [running.LOST])


def test_a_lost_message_is_sent_again(send):
    send(run=False)
    OrmQ.objects.all().delete()
    sweep_imports()
    assert messages_of("submissions.tasks.import_dataset") == []  # it may still be on its way
    DatasetImport.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    sweep_imports()
    (message,) = messages_of("submissions.tasks.import_dataset")
    assert message.key == "errands"  # it holds up no scoring


def test_files_left_alone_go_after_two_days(send):
    row = send(truth=table([]))
    DatasetImport.objects.update(finished_at=timezone.now() - timedelta(days=1))
    sweep_imports()
    assert len(stored_files("default")) == 1
    DatasetImport.objects.update(finished_at=timezone.now() - timedelta(days=3))
    sweep_imports()
    row.refresh_from_db()
    assert stored_files("default") == []
    assert not row.has_files


def test_the_files_are_readable_by_the_site_alone(send):
    send(run=False)
    [path] = stored_files("default")
    assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_a_card_that_shows_the_same_is_not_drawn_again(send, browser):
    row = send(run=False)
    page = f"/organise/imports/{row.pk}/"
    shown = browser.get(page).content.decode()
    asks = re.search(r'hx-get="([^"]+)" hx-trigger="every 2s"', shown)[1]
    assert browser.get(asks).status_code == 204
    DatasetImport.objects.filter(pk=row.pk).update(state="running", step="reading", done=3, total=9)
    moved = browser.get(asks)
    assert (moved.status_code, 'value="3"' in moved.content.decode()) == (200, True)
    DatasetImport.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(minutes=20))
    assert 'hx-trigger="every 5s"' in browser.get(asks).content.decode()


@pytest.mark.slow
def test_others_see_neither_import_nor_dataset(send, client):
    row = send()
    for user in (make_staff("organiser", name="other"), make_staff("reviewer"), make_member("ann")):
        client.force_login(user)
        for page in (f"imports/{row.pk}", f"imports/{row.pk}/progress", f"datasets/{row.dataset_id}"):
            assert client.get(f"/organise/{page}/").status_code == 404
        assert client.post(f"/organise/imports/{row.pk}/again/").status_code == 404
        assert client.post(f"/organise/imports/{row.pk}/stop/").status_code == 404
    assert row.dataset not in list(make_phase_form_datasets(make_staff("organiser", name="third")))


def make_phase_form_datasets(user):
    from submissions.datasets.access import datasets_visible_to

    make_dataset()  # nobody's and unused: every organiser may open it, as before
    return datasets_visible_to(user)


def test_only_organisers_send_images_of_datasets(client):
    client.force_login(make_member("ann"))
    asked = {"filename": "a.zip", "size": 10, "purpose": "dataset"}
    answer = client.post("/api/v1/uploads", asked, content_type="application/json")
    assert answer.status_code == 403
    assert not Upload.objects.exists()


@pytest.mark.slow
def test_images_come_in_parts_too(send, browser, tmp_path):
    content = zip_of_scans(tmp_path)
    asked = {"filename": "scans.zip", "size": len(content), "purpose": "dataset"}
    upload = browser.post("/api/v1/uploads", asked, content_type="application/json").json()
    browser.put(f"/api/v1/uploads/{upload['id']}/parts/1", content, content_type="application/octet-stream")
    assert "not complete" in send(expected=400, upload=upload["id"]).content.decode()
    assert browser.post(f"/api/v1/uploads/{upload['id']}/complete").status_code == 200
    row = send(upload=upload["id"])
    assert (row.state, row.images_name, row.images_bytes) == ("imported", "scans.zip", len(content))
    assert not Upload.objects.exists()
    assert stored_files("default") == []


def test_the_command_checks_without_storing_and_names_an_owner(organiser, tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_bytes(table().read())
    call_command("import_dataset", kind="lesion", name="d", truth=str(path), dry_run=True)
    assert "Nothing is stored. It would be 40 cases" in capsys.readouterr().out
    assert not Dataset.objects.exists()
    call_command("import_dataset", kind="lesion", name="d", truth=str(path), owner="olga")
    assert Dataset.objects.get().owner == organiser
    with pytest.raises(CommandError, match="no user"):
        call_command("import_dataset", kind="lesion", name="d", truth=str(path), owner="nobody")


@pytest.mark.django_db(transaction=True)
def test_a_store_that_is_away_takes_no_corrected_table_from_an_import(browser, organiser, monkeypatch):
    """The old table is deleted once the new one is the import's: that this fails undoes nothing any more."""
    key = storage.new_key("truth.csv")
    storage.stream_in(key, [b"id"])
    row = DatasetImport.objects.create(
        user=organiser, kind="lesion", name="lungs", truth_name="truth.csv", truth_key=key, state="refused"
    )
    delete = storage.delete
    away = Mock(side_effect=[StorageError("away"), None])  # for a moment
    monkeypatch.setattr(storage, "delete", lambda key: (away(), delete(key)))
    answer = browser.post(f"/organise/imports/{row.pk}/again/", {"check": "1", "truth": table(name="better.csv")})
    assert answer.status_code == 302
    row.refresh_from_db()
    assert (row.state, row.truth_name) == ("waiting", "better.csv")
    assert storage.store().size(row.truth_key)


def test_files_that_cannot_be_deleted_now_are_told_in_a_sentence(send, browser, monkeypatch):
    row = send(truth=table([]))
    monkeypatch.setattr(storage, "delete", Mock(side_effect=StorageError("away")))
    answer = browser.post(f"/organise/imports/{row.pk}/stop/", {"delete": "1"}, follow=True)
    assert "Our file storage has a problem" in answer.content.decode()
    row.refresh_from_db()
    assert row.has_files
