from django.db import migrations, models
from django.db.models import F


def begin_with_what_was_counted(apps, schema_editor):
    """Without it Prometheus' counter would fall with the upgrade."""
    evaluations = apps.get_model("submissions", "Evaluation").objects.using(schema_editor.connection.alias)
    evaluations.exclude(failed_attempts=0).update(ever_failed_attempts=F("failed_attempts"))


class Migration(migrations.Migration):
    dependencies = [
        ("submissions", "0015_organise_and_data_files"),
    ]

    operations = [
        migrations.AddField(
            model_name="evaluation",
            name="ever_failed_attempts",
            field=models.PositiveIntegerField(
                default=0, editable=False, help_text="The same, earlier retries included."
            ),
        ),
        migrations.RunPython(begin_with_what_was_counted, migrations.RunPython.noop, elidable=True),
    ]
