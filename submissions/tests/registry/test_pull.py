"""Pull images by digest from a real registry (Debian's docker-registry), pushed there by real tools."""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from backports import zstd
from django.test import Client
from django.urls import reverse

from submissions.faults import ParticipantError, PlatformError
from submissions.intake.image.scan import scan_archive
from submissions.models import RegistryCredential, Submission
from submissions.models.team import team_of
from submissions.registry.client import Credentials, RegistryClient
from submissions.registry.pull import oci_archive, remote_image
from submissions.registry.reference import parse_reference
from submissions.storage.files import store
from submissions.teams.registries import save_credential
from submissions.tests.factories import make_member, make_phase
from submissions.tests.image_archives import Member, blob_name, config, digest, layer, oci_members, scan, tar
from submissions.tests.image_archives import oci_archive as built_archive
from submissions.worker.registry_fetch import fetch_from_registry

pytestmark = pytest.mark.registry
HOST = os.environ.get("LUNASITE_TEST_REGISTRY", "")
USER = os.environ.get("LUNASITE_TEST_REGISTRY_USER", "")
PASSWORD = os.environ.get("LUNASITE_TEST_REGISTRY_PASSWORD", "")
GOOD = Credentials(USER, PASSWORD)
MAX_BYTES = 100_000_000


def push(folder: Path, archive: bytes, name: str, *options: str) -> str:
    """Push an OCI archive with skopeo and return its reference by digest."""
    path, digest_file = folder / f"{name}.tar", folder / f"{name}.digest"
    path.write_bytes(archive)
    command = ["skopeo", "copy", "-q", "--preserve-digests", *options, "--dest-tls-verify=false"]
    command += ["--dest-creds", f"{USER}:{PASSWORD}", "--digestfile", str(digest_file)]
    subprocess.run([*command, f"oci-archive:{path}", f"docker://{HOST}/team/{name}:1"], check=True, timeout=120)
    return f"{HOST}/team/{name}@{digest_file.read_text().strip()}"


def pull(reference: str, credentials: Credentials | None = GOOD, max_bytes: int = MAX_BYTES) -> bytes:
    parsed = parse_reference(reference, [HOST])
    client = RegistryClient(parsed, [HOST], credentials)
    return b"".join(oci_archive(client, remote_image(client, parsed, max_bytes)))


def typed(members):
    """Give the descriptors of our tiny archives the media types that a registry asks for."""
    by_name = {member.name: member.data for member in members}
    index = json.loads(by_name.pop("index.json"))
    for entry in index["manifests"]:
        manifest = json.loads(by_name.pop(blob_name(entry["digest"])))
        manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
        manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"
        for item in manifest["layers"]:
            head = by_name[blob_name(item["digest"])][:4]
            kind = {b"\x1f\x8b": "+gzip", b"\x28\xb5": "+zstd"}.get(head[:2], "")
            item["mediaType"] = f"application/vnd.oci.image.layer.v1.tar{kind}"
        text = json.dumps(manifest).encode()
        machine = json.loads(by_name[blob_name(manifest["config"]["digest"])])["architecture"]
        entry.update(digest=digest(text), size=len(text), mediaType=manifest["mediaType"])
        entry["platform"] = {"os": "linux", "architecture": machine}
        by_name[blob_name(entry["digest"])] = text
    return tar([Member("index.json", json.dumps(index).encode()), *(Member(n, d) for n, d in by_name.items())])


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> str:
    return push(tmp_path_factory.mktemp("push"), typed(oci_members([{"layers": [layer()]}])), "plain")


def test_a_pulled_image_is_the_pushed_one(reference):
    facts = scan(pull(reference))
    assert (facts.image_id, facts.layout) == (scan(built_archive()).image_id, "oci")


def test_zstd_layers_travel_as_they_are(tmp_path):
    layers = [layer(), layer("b", os.urandom(3_000_000))]
    archive = typed(oci_members([{"layers": layers, "stored": [zstd.compress(item) for item in layers]}]))
    facts = scan(pull(push(tmp_path, archive, "zstd")))
    assert {item.compression for item in facts.layers} == {"zstd"}


def test_of_an_index_our_platform_is_pulled(tmp_path):
    images = []
    for machine in ("arm64", "amd64"):
        own = [layer(data=machine.encode() * 1000)]
        images.append({"layers": own, "image": config(own) | {"architecture": machine}})
    # One index that lists both, as buildx pushes it.
    members = tarfile_members(typed(oci_members(images)))
    inner = members.pop("index.json")
    inner_index = json.dumps(json.loads(inner) | {"mediaType": "application/vnd.oci.image.index.v1+json"}).encode()
    kind = "application/vnd.oci.image.index.v1+json"
    listed = {"mediaType": kind, "digest": digest(inner_index), "size": len(inner_index)}
    outer = {"schemaVersion": 2, "manifests": [listed]}
    members |= {"index.json": json.dumps(outer).encode(), blob_name(digest(inner_index)): inner_index}
    archive = tar([Member(name, data) for name, data in members.items()])
    reference = push(tmp_path, archive, "multi", "--all")

    assert digest(inner_index) in reference
    pulled = pull(reference)
    assert scan(pulled).diff_ids == (digest(layer(data=b"amd64" * 1000)),)
    assert b"arm64" * 1000 not in pulled


def tarfile_members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {item.name: opened.extractfile(item).read() for item in opened if item.isfile()}


@pytest.mark.parametrize(
    ("credentials", "code"),
    [(None, "REGISTRY_DENIED"), (Credentials(USER, "wrong"), "REGISTRY_DENIED"), (GOOD, "REGISTRY_NOT_FOUND")],
)
def test_what_cannot_be_pulled_says_why(reference, credentials, code):
    unknown = reference if code == "REGISTRY_DENIED" else reference.partition("@")[0] + "@sha256:" + "0" * 64
    with pytest.raises(ParticipantError) as caught:
        pull(unknown, credentials)
    assert caught.value.code == code


def test_what_is_too_large_is_not_fetched(reference):
    with pytest.raises(ParticipantError, match="IMAGE_TOO_LARGE"):
        pull(reference, max_bytes=100)


# ---- from the form to the store


@pytest.fixture
def site(settings, db):
    settings.IMAGE_REGISTRIES = [HOST]
    make_phase(slug="p")
    return settings


def submit(user, reference: str):
    client = Client()
    client.force_login(user)
    answer = client.post("/api/v1/submissions/docker", {"phase": "p", "image_reference": reference})
    assert answer.status_code == 201, answer.json()
    return Submission.objects.get(pk=answer.json()["id"])


def test_a_reference_is_submitted_then_pulled_by_a_worker(site, reference):
    user = make_member()
    submission = submit(user, reference)
    assert (submission.file, submission.image_reference) == ("", reference)
    save_credential(team_of(user), host=HOST, username=USER, password=PASSWORD)

    fetch_from_registry(submission, lambda: None)

    submission.refresh_from_db()
    assert submission.size_bytes == store().size(submission.file) > 0
    assert scan_archive(store().local_path(submission.file)).sha256 == submission.sha256


def test_the_form_takes_a_reference_too(site, reference):
    client = Client()
    client.force_login(make_member())
    answer = client.post(reverse("submit_docker", args=["p"]), {"image_reference": reference, "contract": "http"})
    assert answer.status_code == 302
    assert Submission.objects.get().image_reference == reference


def test_a_team_without_credentials_is_told_where_to_enter_them(site, reference):
    submission = submit(make_member(), reference)
    with pytest.raises(ParticipantError) as caught:
        fetch_from_registry(submission, lambda: None)
    assert caught.value.code == "REGISTRY_DENIED"
    assert Submission.objects.get().file == ""


def test_a_registry_that_is_down_is_not_the_teams_fault(site, reference):
    site.IMAGE_REGISTRIES = ["127.0.0.1:1"]
    submission = submit(make_member(), reference.replace(HOST, "127.0.0.1:1"))
    with pytest.raises(PlatformError, match="SYSTEM_REGISTRY"):
        fetch_from_registry(submission, lambda: None)


def test_a_worker_that_lost_its_attempt_stops_and_leaves_nothing(site, reference):
    user = make_member()
    submission = submit(user, reference)
    save_credential(team_of(user), host=HOST, username=USER, password=PASSWORD)

    def lost() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        fetch_from_registry(submission, lost)
    assert RegistryCredential.objects.count() == 1
    assert Submission.objects.get().file == ""
