"""A team's sign-ins at registries: encrypted at rest, never shown, the own team's alone."""

import pytest
from django.test import Client, override_settings

from submissions.models import RegistryCredential, Submission
from submissions.models.team import team_of
from submissions.teams.membership import join_team, leave_team
from submissions.teams.ownership import remove_member
from submissions.tests.factories import make_member, make_phase, make_user
from submissions.tests.sent_images import image

pytestmark = pytest.mark.django_db
HOST = "registry.example.org"
SECRET = "pa55 wörd with $igns"
FORM = {"host": HOST, "username": "robot", "password": SECRET}


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.IMAGE_REGISTRIES = [HOST]


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.slow
def test_a_password_is_stored_encrypted_and_never_shown():
    user = make_member()
    client = client_of(user)

    assert client.post("/team/registry/", FORM).status_code == 302

    stored = RegistryCredential.objects.get()
    assert (stored.team, stored.password) == (team_of(user), SECRET)
    assert SECRET not in stored.encrypted_password
    page = client.get("/team/").content.decode()
    assert "robot" in page
    assert SECRET not in page
    assert stored.encrypted_password not in page


@pytest.mark.slow
def test_entering_it_again_replaces_it():
    client = client_of(make_member())
    client.post("/team/registry/", FORM)
    client.post("/team/registry/", FORM | {"password": "new"})
    assert RegistryCredential.objects.get().password == "new"


def test_a_wrong_form_comes_back_without_the_password():
    answer = client_of(make_member()).post("/team/registry/", FORM | {"host": "evil.example.org"})
    assert answer.status_code == 400
    assert SECRET not in answer.content.decode()
    assert not RegistryCredential.objects.exists()


def test_another_team_can_neither_see_nor_delete_it():
    client_of(make_member("own")).post("/team/registry/", FORM)
    other = client_of(make_member("other"))
    number = RegistryCredential.objects.get().pk

    assert "robot" not in other.get("/team/").content.decode()
    assert other.post(f"/team/registry/{number}/forget/").status_code == 404
    assert RegistryCredential.objects.exists()


def test_the_own_team_deletes_it():
    client = client_of(make_member())
    client.post("/team/registry/", FORM)
    client.post(f"/team/registry/{RegistryCredential.objects.get().pk}/forget/")
    assert not RegistryCredential.objects.exists()


@pytest.mark.parametrize("leaves", [True, False])
def test_whoever_leaves_takes_no_password_in_the_teams_hands(leaves):
    """What stays would pull a person's private images for a team that the person has nothing to do with any longer."""
    owner, other = make_member("owner"), make_user("other")
    join_team(user=other, code=team_of(owner).code)
    client_of(other).post("/team/registry/", FORM)
    if leaves:
        leave_team(user=other)
    else:
        remove_member(user=owner, member_id=other.membership.pk)
    assert not RegistryCredential.objects.exists()


def test_after_a_change_of_the_secret_key_it_is_unreadable_not_wrong():
    client_of(make_member()).post("/team/registry/", FORM)
    with override_settings(SECRET_KEY="k" * 50):
        assert RegistryCredential.objects.get().password is None


@pytest.mark.parametrize(
    ("reference", "code"),
    [("evil.example.org/m@sha256:" + "0" * 64, "IMAGE_REFERENCE"), (f"{HOST}/m:latest", "IMAGE_REFERENCE")],
)
def test_a_reference_that_cannot_be_pulled_is_refused_at_once(reference, code):
    make_phase(slug="p")
    data = {"phase": "p", "image_reference": reference}
    answer = client_of(make_member()).post("/api/v1/submissions/docker", data)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert answer.json()["details"]["field"] == "image_reference"


def test_a_key_stands_for_one_reference():
    make_phase(slug="p")
    client = client_of(make_member())

    def sent(**what):
        return client.post("/api/v1/submissions/docker", {"phase": "p", **what}, headers={"Idempotency-Key": "k"})

    one, other = (f"{HOST}/m@sha256:{digit * 64}" for digit in "01")
    first = sent(image_reference=one)
    assert sent(image_reference=one).json()["id"] == first.json()["id"]
    for what in ({"image_reference": other}, {"file": image()}):
        answer = sent(**what)
        assert (answer.status_code, answer.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    # Once it is pulled, its digest is known, and what is sent again is the same reference still.
    Submission.objects.update(sha256="a" * 64, file="pulled")
    assert sent(image_reference=one).json()["id"] == first.json()["id"]
    assert Submission.objects.count() == 1


def test_a_key_of_a_file_stands_for_no_reference():
    make_phase(slug="p")
    client = client_of(make_member())
    headers = {"Idempotency-Key": "k"}
    client.post("/api/v1/submissions/docker", {"phase": "p", "file": image()}, headers=headers)
    reference = f"{HOST}/m@sha256:{'0' * 64}"
    answer = client.post("/api/v1/submissions/docker", {"phase": "p", "image_reference": reference}, headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.slow
def test_the_phase_page_offers_it_only_where_a_registry_is_allowed(settings):
    make_phase(slug="p")
    client = client_of(make_member())
    assert 'name="image_reference"' in client.get("/phases/p/?send=docker").content.decode()
    settings.IMAGE_REGISTRIES = []
    assert 'name="image_reference"' not in client.get("/phases/p/?send=docker").content.decode()
