"""An older dataset gets secrets and a commitment of its own when the site is upgraded."""

import importlib
import zlib

import pytest
from django.apps import apps

from submissions.actions.staff.reveal import truth_of
from submissions.datasets.commitment import commitment
from submissions.models import Dataset
from submissions.tests.factories import evaluated, make_dataset, make_phase

migration = importlib.import_module("submissions.migrations.0008_commit_to_datasets")


@pytest.mark.django_db
@pytest.mark.slow
def test_an_older_dataset_is_committed_to_and_its_evaluations_follow():
    phase, other = make_phase(), make_dataset()
    submission = evaluated(phase=phase)
    before = Dataset.objects.get(pk=phase.dataset_id)
    migration.commit(apps, None)
    dataset = Dataset.objects.get(pk=phase.dataset_id)
    assert dataset.content_hash == commitment(truth_of(dataset)) != before.content_hash
    assert submission.latest.dataset_hash == dataset.content_hash
    assert dataset.bootstrap_seed == zlib.crc32(before.content_hash.encode()) % 2**31
    other.refresh_from_db()
    assert len({dataset.nonce, other.nonce, dataset.secret_key, other.secret_key}) == 4
