"""Which names a reader would take for one another."""

import pytest

from submissions.models import Team
from submissions.teams.membership import TeamError, create_team
from submissions.tests.factories import make_user
from submissions.text.confusables import skeleton
from submissions.text.sanitize import normalize_display_name


@pytest.mark.parametrize(
    "name",
    ["alveoli", "ALVEOLI", "\u0410lveoli", "\uff21\uff2c\uff36\uff25\uff2f\uff2c\uff29", "Alve\u034foli",
     "Alveoli\u3164", "Al\u00adveoli", "Alveoli\u2060", "A lveoli", "\u0391lve\u03bfli", "Alveoli\ufe0f"],
)  # fmt: skip
def test_lookalikes_are_one(name: str):
    assert skeleton(name) == skeleton("Alveoli")


@pytest.mark.parametrize("name", ["Alveoli 2", "Álveoli", "Alveola", "肺泡", "Альвеола", "Team 🫁"])
def test_what_reads_differently_is_another(name: str):
    assert skeleton(name) != skeleton("Alveoli")
    assert skeleton(name)


@pytest.mark.parametrize("name", ["\u3164", "\u2800\u2800", "\u115f \u1160", "\u200b"])
def test_a_name_nobody_sees_is_none(name: str):
    assert normalize_display_name(name) == ""


@pytest.mark.django_db
def test_a_team_cannot_pass_for_another():
    create_team(user=make_user(), name="Alveoli")
    with pytest.raises(TeamError, match="looks like one"):
        create_team(user=make_user(), name="\u0410lveoli")
    assert Team.objects.count() == 1
