"""Have a worker write the shown scores and the standings of phases that were scored before there was a ladder."""

from django.db import migrations
from django_q.tasks import async_task

# As submissions.actions.queue names it; a migration keeps what it was written with.
CSV_CLUSTER = "evaluations"


def recompute(apps, schema_editor):
    """Queue the task, which runs the code of then: a migration must not import models of now."""
    phases = apps.get_model("submissions", "Phase").objects.filter(submissions__evaluations__is_current=True)
    for pk in phases.order_by("pk").values_list("pk", flat=True).distinct():
        async_task("leaderboard.tasks.recompute_standings", pk, cluster=CSV_CLUSTER)


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0002_next"),
        ("submissions", "0003_next"),
        ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more"),
    ]

    operations = [migrations.RunPython(recompute, migrations.RunPython.noop)]
