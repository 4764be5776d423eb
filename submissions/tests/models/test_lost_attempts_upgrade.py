"""Upgrading a filled database: the counter of lost attempts goes on where it was."""

import pytest

from submissions.tests.models.upgraded import upgraded

SCRIPT = """
get = migrate("0015_organise_and_data_files")
user = get("auth", "User").objects.create(username="olga")
team = get("submissions", "Team").objects.create(name="t")
dataset = get("submissions", "Dataset").objects.create(kind="lesion", name="d", content_hash="h")
challenge = get("submissions", "Challenge").objects.create(slug="a", title="A")
phase = get("submissions", "Phase").objects.create(slug="a", title="A", dataset=dataset, challenge=challenge)
for lost in (0, 2):
    sent = dict(phase=phase, team=team, user=user, size_bytes=1, created_at=timezone.now())
    submission = get("submissions", "Submission").objects.create(**sent)
    get("submissions", "Evaluation").objects.create(submission=submission, failed_attempts=lost)

get = migrate("0016_ever_failed_attempts")
print(*get("submissions", "Evaluation").objects.order_by("pk").values_list("failed_attempts", "ever_failed_attempts"))
"""


@pytest.mark.slow
def test_what_was_counted_is_counted_on(tmp_path):
    assert upgraded(SCRIPT, tmp_path) == ["(0, 0) (2, 2)"]
