"""The fields beside an image: left empty, sent as a file, or there twice."""

import pytest

from submissions.models import Submission
from submissions.tests.factories import make_phase
from submissions.tests.sent_images import URL, image

pytestmark = pytest.mark.django_db
FIELDS = ("upload", "image", "model_archive", "image_reference", "contract", "adapter", "writable_folders", "sha256")


@pytest.fixture
def phase():
    return make_phase()


def test_a_form_that_leaves_fields_empty_is_taken(client, phase):
    """As a browser sends a form, and a script whose variable is empty."""
    answer = client.post(URL, {"phase": phase.slug, "file": image(), **dict.fromkeys(FIELDS, "")})
    assert answer.status_code == 201, answer.content
    submission = Submission.objects.get()
    assert (submission.contract, submission.adapter, submission.writable_folders) == ("http", {}, [])
