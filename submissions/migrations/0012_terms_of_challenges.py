import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Ask a challenge of each phase, and remove from the phase what 0011 moved to the challenge."""

    dependencies = [("submissions", "0011_challenge_of_each_phase")]

    operations = [
        migrations.RemoveConstraint(model_name="participation", name="one_participation_per_person"),
        migrations.RemoveField(model_name="participation", name="phase"),
        migrations.AlterField(
            model_name="participation",
            name="challenge",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="participations", to="submissions.challenge",
            ),
        ),
        migrations.AddConstraint(
            model_name="participation",
            constraint=models.UniqueConstraint(fields=("challenge", "user"), name="one_participation_per_person"),
        ),
        migrations.AlterField(
            model_name="phase",
            name="challenge",
            field=models.ForeignKey(
                blank=True,
                help_text="Its organisers, rules and approval hold here. Empty: a new one of the same slug.",
                on_delete=django.db.models.deletion.PROTECT,
                related_name="phases",
                to="submissions.challenge",
            ),
        ),
        migrations.RemoveField(model_name="phase", name="needs_approval"),
        migrations.RemoveField(model_name="phase", name="organisers"),
        migrations.RemoveField(model_name="phase", name="rules"),
    ]  # fmt: skip
