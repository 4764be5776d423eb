"""Give each earlier phase a challenge of its slug, which takes over organisers, rules, approval and requests."""

from django.db import migrations


def group_phases(apps, schema_editor):
    names = ("Challenge", "Phase", "Participation", "AuditEvent")
    Challenge, Phase, Participation, AuditEvent = (apps.get_model("submissions", name) for name in names)
    for phase in Phase.objects.filter(challenge=None):
        challenge = Challenge.objects.create(
            slug=phase.slug, title=phase.title, needs_approval=phase.needs_approval, rules=phase.rules
        )
        # It is as old as its phase: home lists the newest first.
        Challenge.objects.filter(pk=challenge.pk).update(created_at=phase.opens_at)
        challenge.organisers.set(phase.organisers.all())
        Phase.objects.filter(pk=phase.pk).update(challenge=challenge)
        Participation.objects.filter(phase=phase).update(challenge=challenge)
        AuditEvent.objects.filter(phase=phase).update(challenge=challenge)


class Migration(migrations.Migration):
    dependencies = [("submissions", "0010_challenge")]

    operations = [migrations.RunPython(group_phases, migrations.RunPython.noop)]
