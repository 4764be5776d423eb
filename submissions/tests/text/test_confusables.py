"""Which names a reader would take for one another."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from submissions.accounts.usernames import check_username
from submissions.models import Team
from submissions.teams.membership import TeamError, create_team
from submissions.tests.factories import make_user
from submissions.text.confusables import MAX_SKELETON, skeleton
from submissions.text.sanitize import normalize_display_name


@pytest.mark.parametrize(
    "name",
    ["alveoli", "ALVEOLI", "\u0410lveoli", "\uff21\uff2c\uff36\uff25\uff2f\uff2c\uff29", "Alve\u034foli",
     "Alveoli\u3164", "Al\u00adveoli", "Alveoli\u2060", "A lveoli", "\u0391lve\u03bfli", "Alveoli\ufe0f"],
)  # fmt: skip
def test_lookalikes_are_one(name: str):
    assert skeleton(name) == skeleton("Alveoli")


@pytest.mark.parametrize(
    ("name", "other"),
    [("A\u04cfveo\u04cfi", "Alveoli"), ("AIveoIi", "Alveoli"), ("A1veo1i", "Alveoli"), ("A|veoli", "Alveoli"),
     ("\u13aalveoli", "Alveoli"), ("\U0001d5a0lveoli", "Alveoli"), ("\u03ac\u03bfrta", "\u00e1orta"),
     ("\u039dona", "Nona"), ("rnorning", "morning"), ("Team 0", "Team O"), ("\u0555xygen", "Oxygen"),
     ("\u0421\u0422", "CT"), ("\u0441\u0442", "CT"), ("c\u200dt", "CT"), ("vas\u2167", "vasviii")],
)  # fmt: skip
def test_the_table_of_unicode_finds_what_a_short_one_misses(name: str, other: str):
    assert skeleton(name) == skeleton(other)


@pytest.mark.slow
@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_a_skeleton_fits_its_column_and_is_blind_to_case_of_latin_letters(name: str):
    assert len(skeleton(name)) <= MAX_SKELETON
    latin = "".join(char for char in name if char.isascii())
    assert skeleton(latin.upper()) == skeleton(latin.lower())


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


@pytest.mark.django_db
def test_a_team_that_is_renamed_cannot_pass_for_another_either():
    create_team(user=make_user(), name="Alveoli")
    other = create_team(user=make_user(), name="Bronchi")
    other.name = "A1veoli"
    with pytest.raises(ValidationError, match="looks like one"):
        other.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        other.save()


@pytest.mark.django_db
def test_rows_written_in_bulk_get_their_skeleton_too():
    Team.objects.bulk_create([Team(name="Alveoli")])
    assert Team.objects.get().skeleton == skeleton("alveoli")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "why"),
    [("аnn", "looks like one"), ("ANN", "looks like one"), ("adm\u0456n", "organisers"), ("lunaslte", "organisers"),
     ("\u3164", "seen")],
)  # fmt: skip
def test_a_user_cannot_pass_for_another(name: str, why: str):
    make_user("ann")
    with pytest.raises(ValidationError, match=why):
        check_username(name)


@pytest.mark.django_db
def test_a_renamed_user_gives_the_old_name_back():
    user = make_user("ann")
    user.username = "bob"
    user.save()
    check_username("ann")
    with pytest.raises(ValidationError):
        check_username("b\u043eb")
