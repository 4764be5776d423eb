"""Upgrading a filled database: each phase gets a challenge, which takes over what people agreed on."""

import pytest

from submissions.tests.models.upgraded import upgraded

SCRIPT = """
get = migrate("0009_file_deleted_at")
user = get("auth", "User").objects.create(username="olga")
dataset = get("submissions", "Dataset").objects.create(kind="lesion", name="d", content_hash="h")
make = get("submissions", "Phase").objects.create
for slug in ("a", "b"):
    phase = make(slug=slug, title=slug.upper(), dataset=dataset, needs_approval=slug == "b", rules="Be fair.")
phase.organisers.add(user)
get("submissions", "Participation").objects.create(phase=phase, user=user, status="accepted", rules_digest="x")
get("submissions", "AuditEvent").objects.create(phase=phase, actor_name="o", action="open", target_id="1")

get = migrate("0012_terms_of_challenges")
Challenge = get("submissions", "Challenge")
for c in Challenge.objects.order_by("slug"):
    print(c.slug, c.title, c.needs_approval, c.rules, c.created_at == c.phases.get().opens_at, c.phases.get().slug,
          [u.username for u in c.organisers.all()], [p.status for p in c.participations.all()])
print(get("submissions", "AuditEvent").objects.get().challenge.slug)
"""


@pytest.mark.slow
def test_each_earlier_phase_gets_a_challenge_with_its_people_and_terms(tmp_path):
    assert upgraded(SCRIPT, tmp_path) == [
        "a A False Be fair. True a [] []",
        "b B True Be fair. True b ['olga'] ['accepted']",
        "b",
    ]
