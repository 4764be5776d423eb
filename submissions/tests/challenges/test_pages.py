"""The place: tabs, pictures, search and the first page, with a bounded number of queries."""

import io
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from submissions import actions
from submissions.challenges import images
from submissions.challenges.news import publish
from submissions.challenges.search import excerpt, marked
from submissions.models import ChallengeImage, Profile
from submissions.storage.base import MissingFile, StorageError
from submissions.tests.factories import (
    evaluated,
    make_challenge,
    make_dataset,
    make_member,
    make_phase,
    make_staff,
    make_submission,
)

pytestmark = pytest.mark.django_db


def picture(size=(40, 30), kind="PNG", **options):
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind, **options)
    return file.getvalue()


def tabs(client, address):
    page = client.get(address).content.decode()
    bar = page.partition('<nav class="tabs"')[2].partition("</nav>")[0]
    return [line.rpartition(">")[2].strip() for line in bar.replace("</a>", "\n").split("\n") if line.strip()]


def test_a_challenge_names_its_organisers_and_what_they_publish_of_themselves(client):
    phase = make_phase(slug="p")
    shown, silent = make_staff("organiser", phase, name="olga"), make_staff("organiser", phase, name="tom")
    Profile.objects.create(user=shown, is_public=True, display_name="Olga Lung", affiliation="Leiden")
    Profile.objects.create(user=silent, display_name="Thomas the Quiet", affiliation="Secret hospital")
    page = client.get(f"/challenges/{phase.challenge.slug}/").content.decode()
    assert '<a href="/people/olga/">Olga Lung</a>' in page
    assert "Leiden" in page
    assert "tom" in page.partition("<main")[2]
    assert "Thomas" not in page
    assert "Secret hospital" not in page


class TestTabs:
    def test_lead_only_to_what_there_is(self, client):
        challenge = make_challenge(slug="c", forum_url="https://forum.example")
        page = client.get("/challenges/c/").content.decode()
        assert 'href="https://forum.example"' in page
        assert "/challenges/c/submit/" not in page
        assert "/challenges/c/rules/" not in page
        make_phase(slug="one", challenge=challenge)
        assert 'href="/phases/one/"' in client.get("/challenges/c/").content.decode()
        make_phase(slug="two", challenge=challenge, board_is_public=False)
        page = client.get("/challenges/c/").content.decode()
        assert 'href="/challenges/c/submit/"' in page
        assert 'href="/leaderboards/one/"' in page  # the only public one
        listed = client.get("/challenges/c/submit/").content.decode()
        assert 'href="/phases/one/"' in listed
        assert 'href="/phases/two/"' in listed
        assert client.get("/challenges/c/leaderboard/")["Location"] == "/leaderboards/one/"

    def test_stand_on_the_phase_s_page_too(self, client):
        challenge = make_challenge(slug="c", title="Lungs", rules="Be fair.")
        make_phase(slug="one", challenge=challenge)
        assert "Rules" in "".join(tabs(client, "/phases/one/"))
        assert 'href="/challenges/c/"' in client.get("/phases/one/").content.decode()

    def test_a_hidden_challenge_is_nobodys_business(self, client):
        make_challenge(slug="c", is_hidden=True)
        for page in ("", "rules/", "news/", "news.atom", "submit/", "leaderboard/"):
            assert client.get(f"/challenges/c/{page}").status_code == 404


class TestPictures:
    @pytest.fixture
    def olga(self, client):
        olga = make_staff("organiser", make_phase(slug="p"))
        client.force_login(olga)
        return olga

    def send(self, client, data, name="a.png", **more):
        return client.post("/challenges/p/images/", {"file": SimpleUploadedFile(name, data), **more})

    @pytest.mark.slow
    def test_are_encoded_anew_and_shown_in_texts(self, client, olga):
        sent = picture(kind="JPEG", exif=b"Exif\x00\x00secret place")
        assert self.send(client, sent + b"<script>alert(1)</script>", "x.jpg", is_logo="on").status_code == 302
        self.send(client, sent + b"<script>alert(1)</script>", "again.jpg")
        image = ChallengeImage.objects.get()
        answer = client.get(image.get_absolute_url())
        assert answer["Content-Type"] == "image/jpeg"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert b"secret" not in answer.content
        assert b"script" not in answer.content
        line = f"![Ours]({image.get_absolute_url()})"
        client.post("/challenges/p/edit/overview/", {"body": line, "base": ""})
        page = client.get("/challenges/p/").content.decode()
        assert f'<img src="{image.get_absolute_url()}" alt="Ours">' in page
        assert f'<img class="logo" src="{image.get_absolute_url()}"' in page
        client.post("/challenges/p/images/", {"delete": image.name})
        assert client.get(image.get_absolute_url()).status_code == 404

    def test_a_photograph_stands_upright(self, client, olga):
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was turned: the reader's program turns the picture by 90 degrees
        self.send(client, picture(kind="JPEG", exif=exif))
        image = ChallengeImage.objects.get()
        assert (image.width, image.height) == (30, 40)
        assert Image.open(io.BytesIO(client.get(image.get_absolute_url()).content)).size == (30, 40)

    @pytest.mark.parametrize(("fault", "status"), [(StorageError("away"), 503), (MissingFile("gone"), 404)])
    def test_where_the_store_has_none_now_no_page_of_ours_fails(self, client, olga, monkeypatch, fault, status):
        self.send(client, picture())
        monkeypatch.setattr(images, "store", Mock(side_effect=fault))
        answer = client.get(ChallengeImage.objects.get().get_absolute_url())
        assert answer.status_code == status
        assert answer.get("Retry-After") == ("30" if status == 503 else None)
        assert "immutable" not in answer.get("Cache-Control", "")

    @pytest.mark.django_db(transaction=True)
    def test_one_is_deleted_also_while_the_store_is_away(self, client, olga, monkeypatch):
        self.send(client, picture())
        monkeypatch.setattr(images, "store", Mock(side_effect=StorageError("away")))
        name = ChallengeImage.objects.get().name
        assert client.post("/challenges/p/images/", {"delete": name}).status_code == 302
        assert not ChallengeImage.objects.exists()

    def test_a_picture_of_sixteen_bits_keeps_its_greys(self, client, olga):
        file = io.BytesIO()
        Image.new("I;16", (4, 4), 0x8000).save(file, "PNG")
        self.send(client, file.getvalue())
        stored = Image.open(io.BytesIO(client.get(ChallengeImage.objects.get().get_absolute_url()).content))
        assert stored.convert("L").getpixel((0, 0)) == pytest.approx(0x80, abs=1)

    @pytest.mark.parametrize(
        "data",
        [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" + b"\0" * 50, b"", picture()[:60], picture((4097, 1)),
         b"\x89PNG" + b"\0" * (2 * 2**20)],
        ids=["svg", "gif", "empty", "cut", "wide", "large"],
    )  # fmt: skip
    def test_what_is_no_picture_is_refused(self, client, olga, data):
        answer = self.send(client, data)
        assert answer.status_code == 400
        assert not ChallengeImage.objects.exists()


class TestSearch:
    def test_finds_challenges_news_and_the_guide_that_hold_every_word(self, client):
        olga = make_staff("organiser")
        lung = make_challenge(slug="lung", title="Lung nodules", overview="Find **malignant** ones.")
        make_challenge(slug="secret", title="Malignant secret nodules", is_hidden=True)
        publish(challenge=lung, title="New scans", body="With malignant nodules.", author=olga)
        page = client.get("/search", {"q": "malignant NODULES"}).content.decode()
        assert "2 results" in page
        assert "Find <mark>malignant</mark> ones." in page
        assert "secret" not in page
        assert 'href="/guide/#image"' in client.get("/search", {"q": "podman skopeo"}).content.decode()

    @pytest.mark.parametrize(
        "query", ["", "a", "%", "_", "\0", "<script>alert(1)</script>", "'; DROP", "(((", "x" * 5000]
    )
    def test_takes_any_text(self, client, query):
        answer = client.get("/search", {"q": query})
        assert answer.status_code == 200
        assert "<script>alert(1)" not in answer.content.decode()

    def test_says_where_else_to_look_where_nothing_is_found(self, client):
        page = client.get("/search", {"q": "zzzz"}).content.decode()
        assert "0 results" in page
        assert 'href="/#challenges"' in page

    def test_marks_are_the_only_markup(self):
        assert marked("a <b>Bold</b>", ["bold", "<b>"]) == "a <mark>&lt;b&gt;</mark><mark>Bold</mark>&lt;/b&gt;"
        assert excerpt("x " * 200 + "needle", ["needle"]).startswith("…")


class TestHome:
    @pytest.mark.slow
    def test_shows_until_when_how_many_and_who_leads(self, client):
        now = timezone.now()
        phase = make_phase(slug="p", closes_at=now + timedelta(days=3, hours=1))
        for team in ("Alveoli", "Bronchi", "Cilia", "Diaphragm"):
            evaluated(user=make_member(team=team), phase=phase)
        actions.cancel(submission=make_submission(phase=phase))
        make_phase(slug="later", opens_at=now + timedelta(days=2, hours=1))
        make_phase(slug="over", opens_at=now - timedelta(days=9), closes_at=now - timedelta(days=1))
        make_phase(slug="secret", title="Secret", is_hidden=True)
        page = client.get("/").content.decode()
        assert "Closes in 3\xa0days" in page
        assert "4 entries" in page
        assert "Opens in 2\xa0days" in page
        assert [team in page for team in ("Alveoli", "Bronchi", "Cilia", "Diaphragm")] == [True, True, True, False]
        assert "Secret" not in page
        assert page.index("/challenges/p/") < page.index("/challenges/later/") < page.index("/challenges/over/")
        phase.board_is_public = False
        phase.save()
        assert "Alveoli" not in client.get("/").content.decode()

    @pytest.mark.slow
    def test_a_competition_shows_no_more_than_its_board(self, client):
        dataset = make_dataset(splits=["public", "private"] * 5)
        phase = make_phase(dataset, slug="p", ladder_step=None, decimals=4)
        submission = evaluated(user=make_member(team="Alveoli"), phase=phase)
        page = client.get("/").content.decode()
        private = submission.latest.scores["private"]["auc"]
        public = submission.latest.scores["public"]["auc"]
        assert phase.view_in("competition").score_text(public) in page
        assert f"{public:.4f}" not in page or f"{public:.3g}" == f"{public:.4f}"
        assert private == public or phase.view_in("competition").score_text(private) not in page

    @pytest.mark.slow
    def test_asks_the_database_a_bounded_number_of_times(self, client, asked):
        dataset = make_dataset()
        client.force_login(make_member())
        for number in range(14):
            challenge = make_challenge()
            for _ in range(3):
                phase = make_phase(dataset, challenge=challenge)
            if number > 11:
                evaluated(phase=phase)
        for path in ("/", f"/challenges/{challenge.slug}/", "/search?q=challenge"):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path).status_code == 200
            assert len(asked(queries)) <= 12
