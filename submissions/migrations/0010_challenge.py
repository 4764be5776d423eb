import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PEOPLE = "They decide about this challenge; the group `organiser` gives them the permissions."
RULES = "Markdown that each participant must accept before the first submission. Empty: none."


class Migration(migrations.Migration):
    """Make the table of challenges; 0011 fills it, 0012 removes what it replaces."""

    dependencies = [
        ("submissions", "0009_file_deleted_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Challenge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=60, unique=True)),
                ("title", models.CharField(max_length=120)),
                ("tagline", models.CharField(blank=True, help_text="One line below the title.", max_length=200)),
                ("overview", models.TextField(blank=True, help_text="What it is about; Markdown.")),
                ("forum_url", models.URLField(
                    blank=True, help_text="Where participants talk, such as https://….", verbose_name="forum",
                )),
                ("is_hidden", models.BooleanField(
                    default=False, help_text="Only its organisers see it, and none of its phases.",
                )),
                ("needs_approval", models.BooleanField(
                    default=False,
                    help_text="Each person asks with a sentence; you accept or decline.",
                    verbose_name="participants need approval",
                )),
                ("rules", models.TextField(blank=True, help_text=RULES)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("organisers", models.ManyToManyField(
                    blank=True, help_text=PEOPLE, related_name="organised_challenges", to=settings.AUTH_USER_MODEL,
                )),
            ],
            options={"ordering": ["-created_at", "slug"]},
        ),
        migrations.AddField(
            model_name="phase",
            name="challenge",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="phases", to="submissions.challenge",
            ),
        ),
        migrations.AddField(
            model_name="participation",
            name="challenge",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="participations",
                to="submissions.challenge",
            ),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="challenge",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+",
                to="submissions.challenge",
            ),
        ),
    ]  # fmt: skip
