"""An organiser with a browser, and the files of a small dataset."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from submissions.organise.imports.run import run_next_import
from submissions.tests.datasets.test_import import HEADER, write_volume
from submissions.tests.factories import make_challenge, make_dataset, make_phase, make_staff

# Forty cases of twenty patients, two a scan: enough for three parts with both classes.
ROWS = [f"P{i // 2},1.2.{i // 2},{1 + i % 2}.5,-2,3,{i},A{i},{(i // 2) % 2},Male" for i in range(40)]

SPLITS = ["sample", "public", "private", "sample", "public", "private", "sample", "public", "private", "private"]


def table(rows=ROWS, header=HEADER, name="truth.csv"):
    return SimpleUploadedFile(name, "\n".join([header, *rows]).encode(), content_type="text/csv")


def zip_of_scans(folder, count=20, inside="scans/"):
    """Return a zip of small volumes, in a folder that the table does not name."""
    write_volume(folder / "one.mha", spacing=(5.0, 5.0, 5.0))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(count):
            # A comment in the header makes each scan another file; the reader passes over it.
            content = (folder / "one.mha").read_bytes().replace(b"NDims", b"Comment = %d\nNDims" % number, 1)
            archive.writestr(f"{inside}1.2.{number}.mha", content)
    return stream.getvalue()


@pytest.fixture
def organiser(db):
    return make_staff("organiser", name="olga", email="olga@example.org")


@pytest.fixture
def browser(organiser):
    client = Client()
    client.force_login(organiser)
    return client


@pytest.fixture
def send(browser):
    """Send the form of an import, let a worker run it, and return the row."""
    from submissions.models import DatasetImport

    def run(*, check=False, run=True, expected=302, **fields):
        data = {"name": "lungs", "kind": "lesion", "split": "drawn", "public_percent": 30, "truth": table()} | fields
        data |= {"check": "1"} if check else {"import": "1"}
        response = browser.post(
            "/organise/datasets/new/", {key: value for key, value in data.items() if value is not None}
        )
        assert response.status_code == expected, response.content.decode()[-2000:]
        if expected != 302:
            return response
        row = DatasetImport.objects.get(pk=response["Location"].split("/")[-2])
        if run:
            run_next_import()
            row.refresh_from_db()
        return row

    return run


@pytest.fixture
def phase(organiser):
    """One phase of a challenge of the organiser; it takes CSVs."""
    challenge, dataset = make_challenge(slug="lungs"), make_dataset(splits=SPLITS)
    challenge.organisers.add(organiser)
    return make_phase(dataset=dataset, challenge=challenge, slug="one", accepts_docker=False)
