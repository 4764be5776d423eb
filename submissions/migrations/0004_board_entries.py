"""Board entries, filled from the scores that are stored already."""

import math

import django.db.models.deletion
from django.db import migrations, models

from submissions.kinds import KINDS
from submissions.scoring import METRICS, metrics_of

WRITTEN_AT_ONCE = 2000


def fill(apps, schema_editor):
    """Write the rows of every counted evaluation, as BoardEntry's own module does from now on."""
    board_entry = apps.get_model("submissions", "BoardEntry")
    counted = apps.get_model("submissions", "Evaluation").objects.filter(is_current=True, submission__is_hidden=False)
    light = counted.select_related("submission__phase__dataset").only(
        "scores", "submission__phase", "submission__team_id", "submission__is_baseline", "submission__created_at",
        "submission__phase__dataset__kind", "submission__phase__metric", "submission__phase__tie_breaks",
        "submission__phase__decimals",
    )  # fmt: skip
    rows = []
    for evaluation in light.order_by("pk").iterator(chunk_size=500):
        rows += (board_entry(**fields) for fields in rows_of(evaluation))
        if len(rows) >= WRITTEN_AT_ONCE:
            board_entry.objects.bulk_create(rows)
            rows = []
    board_entry.objects.bulk_create(rows)


def rows_of(evaluation):
    submission = evaluation.submission
    phase = submission.phase
    kind = KINDS[phase.dataset.kind]
    for split, scores in evaluation.scores.items():
        for metric in metrics_of(kind.name):
            ranks = metric == (phase.metric or kind.ranking_metric)
            ties = [key_of(phase, name, scores) for name in phase.tie_breaks] if ranks else []
            yield {
                "phase_id": phase.pk, "team_id": submission.team_id, "evaluation_id": evaluation.pk, "split": split,
                "metric": metric, "is_baseline": submission.is_baseline, "sort_key": key_of(phase, metric, scores),
                "tie_keys": [None if key == -math.inf else key for key in ties],
                "submitted_at": submission.created_at,
            }  # fmt: skip


def key_of(phase, metric, scores):
    value = scores.get(metric)
    if value is None or math.isnan(value):
        return -math.inf
    shown = value if phase.decimals is None else round(value, phase.decimals)
    return float(shown) if METRICS[metric].higher_is_better else -float(shown)


class Migration(migrations.Migration):
    dependencies = [
        ("submissions", "0003_uploads"),
    ]

    operations = [
        migrations.CreateModel(
            name="BoardEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "split",
                    models.CharField(
                        choices=[
                            ("public", "public: its scores show at once"),
                            ("private", "private: its scores show when the phase ends"),
                            ("sample", "sample: handed out, never scored"),
                        ],
                        max_length=10,
                    ),
                ),
                ("metric", models.CharField(max_length=40)),
                ("is_baseline", models.BooleanField(default=False)),
                ("sort_key", models.FloatField()),
                ("tie_keys", models.JSONField(default=list)),
                ("submitted_at", models.DateTimeField()),
                (
                    "evaluation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="board_entries",
                        to="submissions.evaluation",
                    ),
                ),
                (
                    "phase",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="submissions.phase",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="submissions.team",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "board entries",
                "indexes": [
                    models.Index(
                        fields=["phase", "split", "metric", "-sort_key", "submitted_at", "is_baseline"],
                        name="entries_in_order",
                    ),
                    models.Index(fields=["team", "phase", "metric", "split", "submitted_at"], name="entries_of_a_team"),
                ],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
