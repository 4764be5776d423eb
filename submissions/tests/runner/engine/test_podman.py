"""What podman is told and what it is refused for, without a podman."""

import dataclasses

import pytest

from submissions.runner.base import EngineFault
from submissions.runner.engine.podman import container_options, in_pages, log_driver_of, refusal, tmpfs_volumes
from submissions.runner.engine.responses import engine_facts
from submissions.runner.host.selftest import version_checks
from submissions.runner.values import Bind, ContainerSpec, OutputVolume
from submissions.worker import engine_host

SPEC = ContainerSpec(
    name="luna-x-1-1-model",
    image_id="sha256:abc",
    labels={"luna.role": "model"},
    network="luna-x-1-1-holder",
    memory_bytes=256 << 20,
    pids=512,
    cpus=0.5,
    tmpfs={"/tmp": "rw,exec,nosuid,nodev,mode=1777,uid=65534,gid=65534,size=64m,nr_inodes=200k", "/data": "rw,size=8m"},
    binds=(Bind("/cases", "/cases"), Bind("/kept/0", "/app", read_only=False)),
    volumes=(OutputVolume("luna-x-out", "/output", read_only=False),),
)
VERSION = {"Version": "4.3.1", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}
INFO = {
    "CgroupVersion": "2", "DockerRootDir": "/s", "SecurityOptions": ["name=seccomp", "name=rootless"],
    "MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True, "PidsLimit": True,
}  # fmt: skip


def refused(is_local=True, version=VERSION, **changes):
    return refusal(engine_facts(INFO | changes, version), is_local=is_local)


def test_rootless_podman_runs_where_its_limits_hold_and_nowhere_else():
    assert refused() == ""
    assert "cgroup v1" in refused(CgroupVersion="1")
    assert "does not limit memory, processes" in refused(MemoryLimit=False, PidsLimit=False)


def test_podman_must_be_podman_and_here():
    assert "must run on this machine" in refused(is_local=False)
    assert "EVALUATION_ENGINE=docker" in refused(version={"Version": "24.0.0", "Components": []})


def test_podman_taken_for_docker_stops_container_work():
    failed = [check for check in version_checks(engine_facts(INFO, VERSION), None) if not check.ok and check.is_fatal]
    assert [check.detail for check in failed] == ["this engine is podman: set EVALUATION_ENGINE=podman"]


def test_swarm_and_unknown_engines_are_refused_with_their_sentence(settings):
    sentences = {"swarm": "Swarm has no `network none`", "lxc": "must be docker, podman or slurm, not lxc"}
    for name, sentence in sentences.items():
        settings.EVALUATION_ENGINE = name
        with pytest.raises(EngineFault) as caught:
            engine_host.connect()
        assert sentence in caught.value.staff_detail
        assert sentence in engine_host.engine_problem()


def test_each_tmpfs_is_a_volume_bounded_in_pages_and_files():
    volumes = tmpfs_volumes(SPEC)
    assert [volume.target for volume in volumes] == ["/data", "/tmp"]
    assert [options["o"] for options in volumes.values()] == [
        "size=8m", "nosuid,nodev,mode=1777,uid=65534,gid=65534,size=64m,nr_inodes=200k",
    ]  # fmt: skip
    assert in_pages("mode=1777,size=64m,nr_inodes=5") == "mode=1777,nr_blocks=16384,nr_inodes=5"


def test_what_podman_would_add_by_itself_is_switched_off():
    options = container_options(SPEC, list(tmpfs_volumes(SPEC)), "k8s-file")
    expected = {
        "httpproxy": False, "systemd": "false", "manage_password": False, "image_volume_mode": "ignore",
        "cap_drop": ["ALL"], "no_new_privileges": True, "read_only_filesystem": True, "stop_timeout": 0,
        "netns": {"nsmode": "container", "value": "luna-x-1-1-holder"},
        "log_configuration": {"driver": "k8s-file", "size": 1 << 20},
    }  # fmt: skip
    assert {name: options[name] for name in expected} == expected
    assert options["resource_limits"] == {
        "memory": {"limit": 256 << 20, "swap": 256 << 20},
        "cpu": {"quota": 50_000, "period": 100_000},
        "pids": {"limit": 512},
    }
    assert [mount["options"][-1] for mount in options["mounts"]] == ["ro", "rw"]
    assert [volume["Options"][0] for volume in options["volumes"]] == ["nocopy"] * 3
    assert [volume["Options"][3] for volume in options["volumes"]] == ["exec", "exec", "noexec"]


def test_a_gpu_and_a_log_without_a_bound_are_refused():
    with pytest.raises(EngineFault, match="gives no GPU"):
        container_options(dataclasses.replace(SPEC, gpu=True), [], "k8s-file")
    assert log_driver_of(["journald", "json-file", "k8s-file"]) == "k8s-file"
    with pytest.raises(EngineFault):
        log_driver_of(["journald", "none"])
