"""What an image may ask for in its config: rows U19, U30 and U32–U35 of the catalogue."""

import tarfile
from typing import Any

import pytest

from submissions.tests.image_archives import (
    Member,
    as_bytes,
    code_of,
    config,
    docker_archive,
    docker_members,
    layer,
    scan,
    tar,
)


def asking(**requested: Any) -> bytes:
    """Return an archive whose config asks for something."""
    return docker_archive(image=config([layer()], **requested))


def changed(**fields: Any) -> bytes:
    """Return an archive with top-level fields of the config changed."""
    return docker_archive(image=config([layer()]) | fields)


@pytest.mark.parametrize(
    "image",
    [
        b"not json",
        b"[]",
        b"null",
        b"{" + b'"a":{' * 100_000,
        {"rootfs": {"diff_ids": ["sha256:short"]}},
        {"rootfs": {"diff_ids": "sha256:" + "0" * 64}},
        {"rootfs": {"diff_ids": ["md5:" + "0" * 64]}},
        {"rootfs": []},
        {"config": []},
        {"config": {"Cmd": [1]}},
        {"config": {"Cmd": {"a": "b"}}},
        {"config": {"Cmd": ["a\0b"]}},
        {"config": {"User": ["root"]}},
        {"config": {"User": "\ud800"}},
        {"config": {"Env": "A=B"}},
        {"config": {"Volumes": ["/data"]}},
        {"config": {"ExposedPorts": {"http": {}}}},
        {"config": {"ExposedPorts": {"70000/tcp": {}}}},
        {"config": {"ExposedPorts": {"٣/tcp": {}}}},
        {"config": {"Cmd": ["a"], "cmd": ["b"]}},
        {"config": {"Cmd": ["a"], "ENV": [], "Env": []}},
    ],
)
def test_an_unusable_config_is_named(image: Any):
    whole = image if isinstance(image, bytes) else config([layer()]) | image
    assert code_of(docker_archive(image=whole)) == "IMAGE_BAD_CONFIG"


def test_a_repeated_key_is_refused():
    text = as_bytes(config([layer()]))
    assert code_of(docker_archive(image=text[:-1] + b',"os":"linux"}')) == "IMAGE_BAD_CONFIG"


def test_a_field_is_read_in_any_case_as_engines_do():
    hidden = config([layer()])
    hidden["config"] = {"cMD": ["x"], "eNV": ["LD_PRELOAD=/x.so"]}
    assert code_of(docker_archive(image=hidden)) == "IMAGE_FORBIDDEN_ENV"


@pytest.mark.parametrize("target", ["/etc/passwd", "000/layer.tar", "other.json"])
def test_a_config_that_is_a_link_or_missing_is_refused(target: str):
    members = docker_members([layer()])
    kept = [member for member in members if member.name != members[1].name]
    link = Member(members[1].name, header={"type": tarfile.SYMTYPE, "linkname": target})
    other = Member("other.json", members[1].data)

    assert code_of(tar(kept)) == "IMAGE_BAD_CONFIG"
    assert code_of(tar([link, other, *kept])) == "IMAGE_BAD_CONFIG"


@pytest.mark.parametrize(
    "fields",
    [
        {"architecture": "arm64"},
        {"architecture": None},
        {"architecture": ""},
        {"os": "windows"},
        {"os": None},
        {"architecture": "AMD64"},
    ],
)
def test_only_linux_on_amd64_runs(fields: dict[str, Any]):
    assert code_of(changed(**fields)) == "IMAGE_ARCHITECTURE"


@pytest.mark.parametrize("requested", [{"Cmd": None}, {"Cmd": []}, {"Cmd": [""]}, {"Cmd": None, "Entrypoint": []}])
def test_an_image_needs_something_to_start(requested: dict[str, Any]):
    assert code_of(asking(**requested)) == "IMAGE_NO_COMMAND"


def test_no_inner_config_means_nothing_to_start():
    assert code_of(changed(config=None)) == "IMAGE_NO_COMMAND"


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/fd/8",
        "/proc",
        "/sys/fs",
        "/dev/shm",
        "//proc/1",
        "/a/../proc",
        "app",
        "../x",
        "/app\n",
        "/p\0",
        "/" + "n" * 256,
        "/" + "n/" * 1024,
    ],
)
def test_the_working_directory_is_the_images_own(path: str):
    assert code_of(asking(WorkingDir=path)) == "IMAGE_BAD_CONFIG"


@pytest.mark.parametrize(("path", "kept"), [("", ""), ("/", "/"), ("/app/", "/app"), ("/process", "/process")])
def test_a_plain_working_directory_is_taken(path: str, kept: str):
    assert scan(asking(WorkingDir=path)).config.working_dir == kept


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "/proc",
        "/proc/x",
        "/etc",
        "/etc/",
        "/usr",
        "/dev/shm",
        "/lib64",
        "/./etc",
        "/var/../etc",
        "/input/models",
        "/" + "n" * 256,
        "d",
    ],
)
def test_a_volume_over_a_system_path_is_refused(path: str):
    assert code_of(asking(Volumes={path: {}})) == "IMAGE_BAD_VOLUME"


def test_volumes_are_few_and_normalised():
    assert scan(asking(Volumes={"/data/": {}, "/var/lib/m": {}})).config.volumes == ("/data", "/var/lib/m")
    assert len(scan(asking(Volumes={f"/v{n}": {} for n in range(8)})).config.volumes) == 8
    assert code_of(asking(Volumes={f"/v{n}": {} for n in range(9)})) == "IMAGE_BAD_VOLUME"


@pytest.mark.parametrize(
    "line",
    ["LD_PRELOAD=/x.so", "LD_PRELOAD", "LD_AUDIT=/x", "ld_preload=/x", " LD_PRELOAD=/x", "LD_DEBUG=all"],
)
def test_loader_variables_are_refused(line: str):
    assert code_of(asking(Env=["PATH=/bin", line])) == "IMAGE_FORBIDDEN_ENV"


def test_a_variable_without_a_name_is_refused():
    assert code_of(asking(Env=["PATH=/bin", "=x"])) == "IMAGE_BAD_CONFIG"


@pytest.mark.parametrize("key", ["empty_layer", "Empty_Layer"])
def test_a_history_may_not_tell_of_more_layers_than_there_are(key: str):
    steps = [{"created_by": "COPY"}, {"created_by": "CMD", key: True}]
    assert scan(changed(history=steps)).diff_ids
    assert scan(changed(history=None)).diff_ids
    assert code_of(changed(history=[*steps, {"created_by": "COPY"}])) == "IMAGE_BAD_CONFIG"
    assert code_of(changed(history="none")) == "IMAGE_BAD_CONFIG"


@pytest.mark.slow
def test_the_environment_is_at_most_64_kib():
    assert scan(asking(Env=["A=" + "x" * (64 * 1024 - 2)])).config.env_names == ("A",)
    assert code_of(asking(Env=["A=" + "x" * (64 * 1024 - 1)])) == "IMAGE_FORBIDDEN_ENV"
    assert code_of(asking(Env=["A=" + "x" * 5_000_000])) == "IMAGE_FORBIDDEN_ENV"


def test_what_cuda_base_images_set_is_taken_and_reported():
    names = ["LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES"]
    assert list(scan(asking(Env=[f"{name}=all" for name in names])).config.env_names) == names


def test_the_config_is_described():
    facts = scan(
        asking(
            ExposedPorts={"9000/tcp": {}, "8000": {}, "53/udp": {}},
            User="evil",
            Entrypoint="/start",
            StopSignal="SIGRTMIN+3",
            Healthcheck={"Test": ["CMD", "false"]},
            Labels={"Os": "x", "os": "y"},
        )
    ).config

    assert facts.exposed_ports == (8000, 9000)
    assert (facts.user, facts.entrypoint, facts.stop_signal) == ("evil", ("/start",), "SIGRTMIN+3")
    assert facts.has_healthcheck
