"""Skeletons of team and user names (UTS #39), unique, filled for the names that are there already."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import submissions.models.team
from submissions.text.confusables import MAX_SKELETON, skeleton


def fill_teams(apps, schema_editor):
    """The earlier of two look-alikes keeps the skeleton; the later gets one that no name has (it holds a space)."""
    taken = set()
    for team in apps.get_model("submissions", "Team").objects.order_by("pk"):
        key = skeleton(team.name)
        key = f"{key[:380]} {team.pk}" if key in taken else key
        taken.add(key)
        type(team).objects.filter(pk=team.pk).update(skeleton=key)


def fill_users(apps, schema_editor):
    """The earliest user keeps the skeleton; one who looks like another has none."""
    row = apps.get_model("submissions", "UsernameSkeleton")
    users = apps.get_model(settings.AUTH_USER_MODEL).objects.order_by("pk")
    first = {}
    for user in users.iterator():
        first.setdefault(skeleton(user.username), user.pk)
    row.objects.bulk_create([row(user_id=pk, skeleton=key) for key, pk in first.items()], batch_size=500)


class Migration(migrations.Migration):
    dependencies = [
        ("submissions", "0002_cache_table"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("team", "skeleton", models.CharField(max_length=MAX_SKELETON, editable=False, null=True)),
        migrations.CreateModel(
            name="UsernameSkeleton",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("skeleton", models.CharField(max_length=MAX_SKELETON, unique=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="name_skeleton",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.RunPython(fill_teams, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(fill_users, migrations.RunPython.noop, elidable=True),
        migrations.AlterField(
            "team",
            "skeleton",
            submissions.models.team.SkeletonField(editable=False, max_length=MAX_SKELETON, unique=True),
        ),
    ]
