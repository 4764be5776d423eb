"""Give each older dataset secrets of its own, and a commitment in place of a hash that could confirm guesses."""

import zlib

from django.db import migrations

from submissions.datasets.commitment import commitment, revealed_data
from submissions.keyed import new_secret


def commit(apps, schema_editor):
    Dataset = apps.get_model("submissions", "Dataset")
    Evaluation = apps.get_model("submissions", "Evaluation")
    for dataset in Dataset.objects.all():
        earlier = dataset.content_hash
        dataset.secret_key, dataset.nonce = new_secret(), new_secret()
        # As before, so that intervals on one board stay comparable.
        dataset.bootstrap_seed = zlib.crc32(earlier.encode()) % 2**31
        dataset.content_hash = commitment(revealed_data(dataset, dataset.cases.order_by("position")))
        dataset.save()
        scored = Evaluation.objects.filter(dataset_hash=earlier, submission__phase__dataset=dataset)
        scored.update(dataset_hash=dataset.content_hash)


class Migration(migrations.Migration):
    dependencies = [("submissions", "0007_secret_split")]

    operations = [migrations.RunPython(commit, migrations.RunPython.noop)]
