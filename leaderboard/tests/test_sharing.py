"""A board elsewhere: the frame, the badge and the citation, which show what any visitor may see."""

import csv
import hashlib
import io
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from leaderboard.sharing.badge import Badge, badge_of
from leaderboard.sharing.boards import open_board
from leaderboard.sharing.citation import board_digest
from lunasite.http.files.csv_export import as_csv
from submissions.models import Challenge, Team

from .boards import make_entry, make_phase, make_team

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NAMES = ["rank", "submission", "score"]
ENDED = {"closes_at": timezone.now() - timedelta(hours=1)}


def test_the_frame_is_allowed_everywhere_and_has_no_cookie(client):
    phase = make_phase()
    team = make_team("Ada")
    make_entry(phase, team, public=0.9)
    client.force_login(team.memberships.get().user)
    framed, page = client.get("/embed/lesions/"), client.get("/leaderboards/lesions/")
    assert b"Ada" in framed.content
    assert b"your team" not in framed.content
    assert "frame-ancestors *" in framed["Content-Security-Policy"]
    assert "X-Frame-Options" not in framed
    assert not framed.cookies
    assert "Cookie" not in framed.get("Vary", "")
    assert framed["Cache-Control"] == "public, max-age=300"
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
    assert page["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("fields", [{"board_is_public": False}, {"is_hidden": True}])
@pytest.mark.parametrize("address", ["/embed/lesions/", "/badge/lesions/Ada.svg", "/leaderboards/lesions/CITATION.cff"])
def test_a_board_that_is_not_public_is_shown_nowhere_else(admin_client, fields, address):
    make_entry(make_phase(**ENDED, **fields), make_team("Ada"), public=0.9)
    assert admin_client.get(address).status_code == 404


def test_a_competitions_frame_shows_the_shown_score_alone(client):
    phase = make_phase(disclosure="competition", closes_at=timezone.now() + timedelta(days=3))
    make_entry(phase, make_team("Ada"), public=0.87654, private=0.12345)
    text = client.get("/embed/lesions/").content.decode()
    assert "0.88" in text
    assert "0.87654" not in text
    assert "0.8765" not in text
    assert "0.123" not in text


def test_a_score_without_an_interval_has_a_dash_in_the_frame_as_on_the_board(client):
    make_entry(make_phase(), make_team("Ada"), public={"n": 20, "auc": 0.9})
    text = client.get("/embed/lesions/").content.decode()
    assert '<td class="num wide-only">–</td>' in text


def test_the_badge_says_the_rank(client):
    phase = make_phase()
    ada, eve = make_team("Ada"), make_team("</text><script>")
    make_entry(phase, ada, public=0.9)
    make_entry(phase, eve, public=0.8)
    answer = client.get(f"/badge/lesions/{eve.pk}.svg")
    drawn = ET.fromstring(answer.content)
    assert drawn.find("{http://www.w3.org/2000/svg}title").text == "Lesions: rank 2 of 2"
    assert answer["Content-Type"] == "image/svg+xml"
    assert "script-src 'none'" in answer["Content-Security-Policy"]
    assert not answer.cookies
    assert b"rank 1 of 2" in client.get("/badge/lesions/Ada.svg").content
    assert client.get("/badge/lesions/nobody.svg").status_code == 404


def test_each_text_of_a_badge_lies_in_the_middle_of_its_half():
    """8 px beside a text, whose 11 px characters are 6.4 px wide: 10 characters and 11."""
    badge = Badge("ten chars!", "rank 2 of 2")
    assert (badge.title_px, badge.value_px, badge.width) == (80, 86, 166)
    assert badge.texts == [(40, 64, "ten chars!"), (123, 70, "rank 2 of 2")]


@pytest.mark.parametrize(("length", "shown"), [(40, "x" * 40), (41, "x" * 39 + "…")])
def test_a_badge_has_forty_characters_of_a_phases_title(length, shown):
    phase, ada = make_phase(title="x" * length), make_team("Ada")
    make_entry(phase, ada, public=0.9)
    assert badge_of(open_board(phase.slug), ada).title == shown


def test_a_baselines_badge_names_no_rank(client):
    make_entry(make_phase(), make_team("Base"), public=0.9, is_baseline=True)
    assert b"no rank yet" in client.get("/badge/lesions/Base.svg").content


@pytest.mark.parametrize("title", ["Lesions", 'A "quoted": title\\ # of 5 % \N{LUNGS}', "'- [x]: {y}"])
def test_the_citation_file_is_valid(client, tmp_path, title):
    phase = make_phase(title=title, **ENDED)
    make_entry(phase, make_team("Ada"), public=0.9, private=0.8)
    file = tmp_path / "CITATION.cff"
    answer = client.get("/leaderboards/lesions/CITATION.cff")
    file.write_bytes(answer.content)
    validator = Path(sys.executable).with_name("cffconvert")
    ran = subprocess.run([validator, "--validate", "-i", file], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    text = subprocess.run([validator, "-f", "apalike", "-i", file], capture_output=True, text=True, check=True).stdout
    assert f"{title}: final leaderboard" in text
    assert "http://localhost:8000/leaderboards/lesions/" in text


def test_the_citation_names_the_ranks_it_is_of(client):
    phase = make_phase(**ENDED)
    make_entry(phase, make_team("Ada"), public=0.9, private=0.8)
    cited = board_digest(open_board("lesions"))
    assert cited in client.get("/leaderboards/lesions/CITATION.cff").content.decode()
    make_entry(phase, make_team("Ben"), public=0.9, private=0.7)
    assert board_digest(open_board("lesions")) != cited
    assert board_digest(open_board("lesions")) == as_listed(client)


def test_a_team_that_is_renamed_changes_no_citation(client):
    phase = make_phase(**ENDED)
    ada = make_team("Ada")
    make_entry(phase, ada, public=0.9, private=0.8)
    cited = board_digest(open_board("lesions"))
    Team.objects.filter(pk=ada.pk).update(name="Left")
    assert board_digest(open_board("lesions")) == cited == as_listed(client)


def as_listed(client):
    """Return the checksum of the three columns of the board's own CSV."""
    rows = csv.DictReader(io.StringIO(client.get("/leaderboards/lesions/leaderboard.csv").content.decode()))
    text = as_csv(NAMES, ([row[name] for name in NAMES] for row in rows))
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_board_that_still_changes_is_not_cited(client):
    make_entry(make_phase(), make_team("Ada"), public=0.9)
    assert client.get("/leaderboards/lesions/CITATION.cff").status_code == 404
    assert b"Cite this board" not in client.get("/leaderboards/lesions/").content


def test_an_ended_boards_page_says_how_to_cite_it(client):
    make_entry(make_phase(**ENDED), make_team("Ada"), public=0.9)
    text = client.get("/leaderboards/lesions/").content.decode()
    assert f"Organisers of Lesions. Lesions: final leaderboard. lunasite, {ENDED['closes_at'].year}." in text


def test_a_phase_is_cited_with_its_challenge(client):
    phase = make_phase(title="Final", **ENDED)
    Challenge.objects.filter(pk=phase.challenge_id).update(title="Lungs 2031")
    make_entry(phase, make_team("Ada"), public=0.9, private=0.8)
    text = client.get("/leaderboards/lesions/CITATION.cff").content.decode()
    assert 'title: "Lungs 2031, Final: final leaderboard"' in text
    assert 'name: "Organisers of Lungs 2031"' in text
