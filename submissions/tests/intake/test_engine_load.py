"""Archives that real programs wrote, and what a real engine makes of our rewriting."""

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from submissions.faults import ParticipantError
from submissions.intake.image.rewrite import rewritten
from submissions.intake.image.scan import scan_archive
from submissions.runner.base import ContainerFault
from submissions.runner.engine.docker import DockerEngine
from submissions.runner.engine.load_errors import archive_fault
from submissions.tests.image_archives import Member, config, docker_archive, layer, tar

pytestmark = [pytest.mark.engine, pytest.mark.slow]
BASE = "busybox:static"
OWN_CONFIG = config([layer("from-intake-test")], Labels={"lunasite.test": "intake"})


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=120)
    return done.stdout.strip()


def skopeo(source: str, target: str, *options: str) -> None:
    command = ["skopeo", "copy", "-q", *options, source, target]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "image.tar"
    docker("save", "-o", str(path), BASE)
    return path


@pytest.fixture
def engine():
    engine = DockerEngine()
    yield engine
    engine.close()


def compressed(path: Path) -> Path:
    target = path.with_suffix(".tgz")
    with path.open("rb") as source, gzip.open(target, "wb", compresslevel=1) as packed:
        shutil.copyfileobj(source, packed)
    return target


def in_new_layout(saved: Path, target: Path) -> Path:
    """Write what `docker save` writes since version 25: OCI blobs, and a manifest.json that names them."""
    oci = target.with_name("oci-source.tar")
    skopeo(f"docker-archive:{saved}", f"oci-archive:{oci}")
    with tarfile.open(oci) as source, tarfile.open(target, "w") as archive:
        members = {member.name: source.extractfile(member).read() for member in source if member.isfile()}
        [listed] = json.loads(members["index.json"])["manifests"]
        blob = lambda digest: "blobs/" + digest.replace(":", "/")  # noqa: E731
        manifest = json.loads(members[blob(listed["digest"])])
        layers = [blob(item["digest"]) for item in manifest["layers"]]
        image = {"Config": blob(manifest["config"]["digest"]), "RepoTags": ["a:b"], "Layers": layers}
        members["manifest.json"] = json.dumps([image]).encode()
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target


def test_what_docker_saves_has_the_engines_own_id(saved: Path):
    expected = docker("image", "inspect", BASE, "--format", "{{.Id}}")

    assert scan_archive(saved).image_id == expected
    assert scan_archive(compressed(saved)).image_id == expected


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_what_skopeo_and_podman_write_is_taken(saved: Path, tmp_path: Path, kind: str):
    path = tmp_path / "image.tar"
    skopeo(f"docker-archive:{saved}", f"{kind}:{path}")

    assert scan_archive(path).diff_ids == scan_archive(saved).diff_ids


def test_an_oci_folder_packed_by_tar_is_taken(saved: Path, tmp_path: Path):
    skopeo(f"docker-archive:{saved}", f"oci:{tmp_path}/layout:latest")
    path = tmp_path / "image.tgz"
    subprocess.run(["tar", "-C", str(tmp_path / "layout"), "-czf", str(path), "."], check=True, timeout=60)

    assert scan_archive(path).diff_ids == scan_archive(saved).diff_ids


def loads(engine: DockerEngine, path: Path, diff_ids: tuple[str, ...]) -> None:
    """Assert that an archive is taken, and that the engine has exactly its layers afterwards."""
    facts = scan_archive(path)
    assert facts.diff_ids == diff_ids
    was_there = engine.image(facts.image_id) is not None
    engine.load(rewritten(path, facts))
    try:
        assert engine.image(facts.image_id).layers == diff_ids
    finally:
        if not was_there:
            engine.remove_image(facts.image_id)


def test_zstd_layers_of_skopeo_are_loaded(engine: DockerEngine, saved: Path, tmp_path: Path):
    path = tmp_path / "image.tar"
    skopeo(f"docker-archive:{saved}", f"oci-archive:{path}", "--dest-compress-format", "zstd")

    assert {layer.compression for layer in scan_archive(path).layers} == {"zstd"}
    loads(engine, path, scan_archive(saved).diff_ids)


def test_an_image_of_umoci_is_loaded(engine: DockerEngine, saved: Path, tmp_path: Path):
    """umoci adds a layer of its own to an OCI layout; packed by tar from the folder above it."""
    layout = tmp_path / "model"
    skopeo(f"docker-archive:{saved}", f"oci:{layout}:latest")
    (tmp_path / "weights").write_bytes(b"w" * 100_000)
    insert = ["umoci", "insert", "--rootless", "--image", f"{layout}:latest", str(tmp_path / "weights"), "/weights"]
    subprocess.run(insert, check=True, capture_output=True, timeout=60)
    path = tmp_path / "model.tar"
    subprocess.run(["tar", "-C", str(tmp_path), "-cf", str(path), "model"], check=True, timeout=60)

    base = scan_archive(saved).diff_ids
    facts = scan_archive(path)
    assert facts.diff_ids[: len(base)] == base
    assert len(facts.diff_ids) == len(base) + 1
    loads(engine, path, facts.diff_ids)


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_an_image_of_buildah_is_loaded(engine: DockerEngine, saved: Path, tmp_path: Path, kind: str):
    path = tmp_path / "built.tar"
    store = ["--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs"]
    (tmp_path / "Containerfile").write_text(
        f'FROM docker-archive:{saved}\nCOPY model.py /app/\nCMD ["/app/model.py"]\n'
    )
    (tmp_path / "model.py").write_text("print()\n")
    build = ["buildah", *store, "bud", "-q", "--isolation", "chroot", "-t", "built", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    push = ["buildah", *store, "push", "-q", "built", f"{kind}:{path}"]
    subprocess.run(push, check=True, capture_output=True, timeout=120)

    loads(engine, path, scan_archive(path).diff_ids)
    subprocess.run(["buildah", *store, "rmi", "-a", "-f"], check=True, capture_output=True, timeout=120)


def test_what_docker_export_writes_is_called_so(tmp_path: Path):
    path = tmp_path / "export.tar"
    name = docker("create", BASE, "true")
    try:
        docker("export", "-o", str(path), name)
    finally:
        docker("rm", "-f", name)

    with pytest.raises(ParticipantError, match="docker export"):
        scan_archive(path)


def test_the_layout_of_newer_engines_is_taken(saved: Path, tmp_path: Path):
    facts = scan_archive(in_new_layout(saved, tmp_path / "new.tar"))

    assert facts.layout == "docker"
    assert facts.layers[0].compression == "gzip"
    assert facts.diff_ids == scan_archive(saved).diff_ids


def test_two_images_saved_together_are_refused(saved: Path, tmp_path: Path):
    path = tmp_path / "two.tar"
    docker("save", "-o", str(path), BASE, "python:3.11-slim")

    with pytest.raises(ParticipantError, match="IMAGE_COUNT"):
        scan_archive(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["tar", "gzip"])
def test_the_engine_answers_with_our_digest_and_no_tag_moves(engine: DockerEngine, tmp_path: Path, pack):
    base_id = engine.image(BASE).image_id
    path = tmp_path / "image.tar"
    layers = [layer("from-intake-test")]
    path.write_bytes(pack(docker_archive(layers, image=OWN_CONFIG, tags=[BASE, "python:3.11-slim"])))
    facts = scan_archive(path)

    engine.load(rewritten(path, facts))

    try:
        assert engine.image(facts.image_id).image_id == facts.image_id
        assert engine.image(BASE).image_id == base_id
        assert docker("image", "inspect", facts.image_id, "--format", "{{.RepoTags}}") == "[]"
    finally:
        engine.remove_image(facts.image_id)


def test_every_kind_of_layer_we_take_the_engine_takes(engine: DockerEngine, tmp_path: Path):
    """Empty, repeated and gzip-compressed layers, written anew, load under the digest we expect."""
    layers = [bytes(1024), layer("a"), bytes(1024), layer("b", b"x" * 2_000_000), bytes(10_240)]
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(layers, stored=[gzip.compress(item) for item in layers]))
    facts = scan_archive(path)

    engine.load(rewritten(path, facts))

    try:
        assert engine.image(facts.image_id).image_id == facts.image_id
    finally:
        engine.remove_image(facts.image_id)


HALF_A_TAR = layer(data=b"x" * 5000)[:2000]
BROKEN_HEADER = layer()[:1024] + b"j" * 512 + bytes(1024)
LONG_NAME = tar([Member("n" * 300, b"x")])
LINK_TO_NOTHING = tar([Member("hard", header={"type": tarfile.LNKTYPE, "linkname": "/nothing"})])


def test_a_layer_with_a_broken_header_never_reaches_the_engine():
    with pytest.raises(ParticipantError, match="ARCHIVE_CORRUPT"):
        scan_archive(io.BytesIO(docker_archive([BROKEN_HEADER])))


@pytest.mark.parametrize("broken", [HALF_A_TAR, LONG_NAME, LINK_TO_NOTHING])
def test_a_layer_the_engine_cannot_unpack_is_the_participants(engine: DockerEngine, broken: bytes):
    archive = io.BytesIO(docker_archive([broken]))

    with pytest.raises(ContainerFault, match="ARCHIVE_CORRUPT"):
        engine.load(rewritten(archive, scan_archive(archive)))


@pytest.mark.parametrize("fields", [{"created": "yesterday"}, {"history": [5]}, {"author": 5}, {"container_config": 5}])
def test_a_config_the_engine_cannot_read_is_the_participants(engine: DockerEngine, fields: dict[str, object]):
    archive = io.BytesIO(docker_archive(image=config([layer()]) | fields))

    with pytest.raises(ContainerFault, match="IMAGE_BAD_CONFIG"):
        engine.load(rewritten(archive, scan_archive(archive)))


@pytest.mark.parametrize(
    "text",
    [
        "Error processing tar file(exit status 1): write /x: no space left on device",
        "error creating overlay mount to /var/lib: invalid argument",
        "read tcp: connection reset by peer",
    ],
)
def test_what_the_engine_says_of_itself_is_ours(text: str):
    assert archive_fault(text) is None
