"""A CSV at the limit of its size, and one byte beyond."""

from hashlib import sha256

import pytest

from submissions.intake.csv.predictions import CsvProblems
from submissions.models import Submission
from submissions.tests.factories import csv_bytes, make_submission

pytestmark = pytest.mark.django_db


def test_a_csv_of_the_largest_size_is_stored_whole(settings):
    settings.MAX_CSV_BYTES = len(csv_bytes())
    submission = make_submission()
    assert (submission.size_bytes, submission.sha256) == (len(csv_bytes()), sha256(csv_bytes()).hexdigest())


def test_a_csv_of_one_byte_more_is_refused(settings):
    settings.MAX_CSV_BYTES = len(csv_bytes()) - 1
    with pytest.raises(CsvProblems, match="CSV_TOO_LARGE"):
        make_submission()
    assert not Submission.objects.exists()
