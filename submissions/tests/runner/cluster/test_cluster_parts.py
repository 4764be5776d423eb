"""The parts of a job on a cluster, without one: files, the store, messages, a container's form."""

import dataclasses
import io
import os
import subprocess
import sys
import tarfile
import time

import pytest

from submissions.kinds import KINDS
from submissions.runner.base import ContainerFault, EngineFault, Limits, RunCase, RunRequest, RunResult
from submissions.runner.cluster.messages import error_json, frozen, outcome_of, request_json, request_of, result_json
from submissions.runner.cluster.process import LOG_BYTES, LineQueue, Log
from submissions.runner.cluster.program import put_program
from submissions.runner.cluster.rooted import TooManyLinks, below, go_stat, real_path, write_tar
from submissions.runner.cluster.runc import RuncEngine
from submissions.runner.cluster.runc_spec import arguments, environment, oci_seccomp, runtime_spec
from submissions.runner.cluster.slurm import SlurmEngine
from submissions.runner.cluster.slurm_commands import Cluster, Place, Slurm, seconds_of
from submissions.runner.cluster.store import (
    NotAnArchive,
    all_tags,
    drop_tag,
    inspected,
    prepare,
    set_tag,
    tagged,
    write_layout,
)
from submissions.runner.engine.passwd_check import GO_DIRECTORY, GO_NO_FILE, GO_SYMLINK, UNREACHABLE
from submissions.runner.host.driver_image import driver_image
from submissions.runner.memory_group import MemoryGroup
from submissions.runner.values import Bind, ContainerSpec, OutputVolume


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "passwd").write_text("inside")
    (folder / "absolute").symlink_to("/etc/passwd")
    (folder / "above").symlink_to("../../../../etc/passwd")
    (folder / "folder").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    return folder


def test_links_are_followed_from_the_root_on(root):
    for path in ("/absolute", "/above", "/folder/passwd", "/etc/../folder/./passwd"):
        assert real_path(root, path) == "/etc/passwd"
        assert below(root, path).read_text() == "inside"
    with pytest.raises(TooManyLinks):
        real_path(root, "/loop")


def test_what_lies_at_a_path_is_told_as_an_engine_does(root):
    assert go_stat(root, "/etc")[0] & GO_DIRECTORY
    assert go_stat(root, "/absolute") == (GO_SYMLINK | 0o777, "/etc/passwd")
    assert go_stat(root, "/pipe")[0] & GO_NO_FILE
    assert go_stat(root, "/nothing/there") == (0, "")
    assert go_stat(root, "/loop") == (UNREACHABLE, "")


def test_a_folder_becomes_a_tar_that_follows_no_link(root):
    out = io.BytesIO()
    write_tar(root, "/", out)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        found = {member.name: member for member in archive}
    assert found["./etc/passwd"].isreg()
    assert found["./above"].issym()
    assert found["./pipe"].isfifo()
    assert found["./etc/passwd"].uname == ""


# The store


@pytest.mark.slow
def test_an_archive_becomes_a_layout_with_the_same_id(tmp_path):
    image = driver_image()
    assert write_layout(tmp_path / "layout", [image.archive]) == image.image_id
    facts = inspected(tmp_path / "layout", image.image_id)
    assert facts["Id"] == image.image_id
    assert len(facts["RootFS"]["Layers"]) == 1
    blobs = {path.name for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir()}
    assert facts["RootFS"]["Layers"][0].removeprefix("sha256:") in blobs


@pytest.mark.parametrize("archive", [[b"not an archive"], [], [b"\0" * 10240]], ids=["text", "nothing", "empty"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, archive):
    with pytest.raises(NotAnArchive):
        write_layout(tmp_path / "layout", archive)


def test_tags_lead_to_images(tmp_path):
    prepare(tmp_path)
    set_tag(tmp_path, "site-model:1-2", "sha256:a")
    set_tag(tmp_path, "../../etc/passwd:x", "sha256:a")
    assert all_tags(tmp_path) == {"sha256:a": ["../../etc/passwd:x", "site-model:1-2"]}
    assert tagged(tmp_path, "site-model:1-2") == "sha256:a"
    assert drop_tag(tmp_path, "site-model:1-2")
    assert not drop_tag(tmp_path, "site-model:1-2")


@pytest.mark.slow
def test_the_program_of_a_job_needs_only_python(tmp_path):
    prepare(tmp_path)
    folder = put_program(tmp_path)
    assert put_program(tmp_path) == folder
    paths = [str(folder), str(folder / "stand_ins")]
    code = f"import sys; sys.path[:0] = {paths}; import submissions.runner.cluster.job as job; print(job.__file__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith(str(folder)), done.stderr


# What worker and job tell each other


def test_a_request_arrives_as_it_was_sent(tmp_path):
    request = RunRequest(
        evaluation="7", attempt=2, image_id="sha256:a", contract="batch",
        cases=[RunCase("c1", tmp_path / "a.mha", "1.2", {"point_xyz_mm": [1.0, 2.0, 3.0]})],
        limits=Limits(memory_mib=64), kind=KINDS["lesion"], cases_root=tmp_path, run_dir=tmp_path / "run", seed=5,
        adapter={"port": 80}, done={"c0": (0.5,)}, writable_folders=("/a",), model_dir=tmp_path / "m", slugs={"a": "b"},
    )  # fmt: skip
    assert request_of(request_json(request)) == request


def test_an_outcome_arrives_as_it_was_sent():
    result = RunResult({"c": (0.25,)}, {"c": 0.5}, 1.0, 2.0, 3, True, "log")
    assert outcome_of(result_json(result)) == result
    fault = ContainerFault("CONTAINER_EXITED", "It ended.", staff_detail="exit 3")
    fault.logs, fault.answered, fault.exit_code, fault.outputs = "words", 2, 3, ("a",)
    told = outcome_of(error_json(fault))
    assert isinstance(told, ContainerFault)
    assert (told.code, told.note, told.staff_detail) == ("CONTAINER_EXITED", "It ended.", "exit 3")
    assert (told.logs, told.answered, told.exit_code, told.outputs) == ("words", 2, 3, ("a",))
    assert isinstance(outcome_of(error_json(EngineFault("Away."))), EngineFault)


@pytest.mark.parametrize(
    "said", [{}, {"ok": True}, {"ok": True, "answers": 3}, {"ok": False}, {"ok": False, "code": 5, "is_ours": False}]
)
def test_a_broken_outcome_is_not_believed(said):
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        outcome_of(said)


def test_answers_are_tuples_again():
    assert frozen([[1, [2]], 3]) == ((1, (2,)), 3)


# A container


SPEC = ContainerSpec(
    name="n", image_id="sha256:a", labels={}, network="none", memory_bytes=1 << 20, pids=5, user="1000:1000",
    groups=(7,), shm_bytes=1 << 20, environment={"A": "2"}, tmpfs={"/tmp": "rw,exec,size=8m,uid=65534"},
    binds=(Bind("/s/app", "/app", read_only=False), Bind("/s/in", "/app/in")),
    volumes=(OutputVolume("v", "/output", read_only=False),),
)  # fmt: skip
IMAGE = {"Entrypoint": ["/e"], "Cmd": ["c"], "Env": ["A=1", "B=1"], "WorkingDir": "/app"}


def test_a_container_of_a_job_is_hardened_as_on_an_engine(tmp_path):
    spec = runtime_spec(SPEC, IMAGE, tmp_path, {"/sys": tmp_path / "sys"}, {"v": tmp_path / "v"})
    process = spec["process"]
    assert process["args"] == ["/sbin/docker-init", "--", "/e", "c"]
    assert process["user"] == {"uid": 1000, "gid": 1000, "additionalGids": [7]}
    assert process["noNewPrivileges"]
    assert not any(process["capabilities"].values())
    assert {"type": "RLIMIT_NPROC", "soft": 5, "hard": 5} in process["rlimits"]
    assert spec["root"]["readonly"]
    assert {"type": "user"} in spec["linux"]["namespaces"]
    assert spec["linux"]["uidMappings"][0]["hostID"] > 0  # no container has the job's own user
    assert spec["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    mounts = {mount["destination"]: mount["options"] for mount in spec["mounts"]}
    assert "size=1048576" in mounts["/dev/shm"]
    assert "size=8m" in mounts["/tmp"]
    assert "rw" not in mounts["/tmp"]
    assert {"nosuid", "nodev", "noexec", "rw"} <= set(mounts["/output"])
    assert "ro" in mounts["/app/in"]
    assert list(mounts).index("/app") < list(mounts).index("/app/in")


def test_command_and_variables_are_joined_as_an_engine_joins_them():
    assert arguments(SPEC, {"Cmd": None, "Entrypoint": None}) == []
    assert set(environment(SPEC, IMAGE)) >= {"A=2", "B=1", "HOSTNAME=model"}
    assert oci_seccomp()["architectures"][0] == "SCMP_ARCH_X86_64"
    assert "archMap" not in oci_seccomp()


def test_only_the_end_of_a_log_is_kept():
    log = Log()
    for _ in range(40):
        log.add(b"x" * 100_000)
    log.add(b"end")
    assert log.tail(10) == b"x" * 7 + b"end"
    assert len(log.tail(1 << 30)) <= LOG_BYTES


def test_lines_come_whole():
    lines = LineQueue()
    lines.add(b"one\ntw")
    lines.add(b"o\nrest")
    assert lines.lines(0) == [b"one", b"two"]
    lines.end()
    assert lines.lines(0) == []
    assert lines.ended


def test_an_id_that_cannot_be_given_is_the_participants(tmp_path):
    engine = RuncEngine(tmp_path, tmp_path, MemoryGroup(None))
    with pytest.raises(ContainerFault, match="CONTAINER_START") as caught:
        engine.create(dataclasses.replace(SPEC, user="70000:70000"), is_untrusted=True)
    assert "65,534" in caught.value.note


def test_a_memory_group_of_either_version_is_read(tmp_path):
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    (tmp_path / "memory.stat").write_text("total_rss 5\ntotal_shmem 3\nanon 7\nshmem 1\n")
    (tmp_path / "memory.events").write_text("low 0\noom_kill 4\n")
    assert (MemoryGroup(tmp_path).kills(), MemoryGroup(tmp_path).used_bytes()) == (2, 8)
    assert (MemoryGroup(tmp_path, is_v2=True).kills(), MemoryGroup(tmp_path, is_v2=True).used_bytes()) == (4, 8)
    assert MemoryGroup(tmp_path).peak_file() == tmp_path / "memory.max_usage_in_bytes"
    assert MemoryGroup(tmp_path, is_v2=True).peak_file() == tmp_path / "memory.peak"
    assert MemoryGroup(None).kills() == MemoryGroup(None).limit_bytes() == 0
    assert MemoryGroup(None).peak_file() is None


def test_a_job_without_a_folder_is_ours_to_end_until_slurm_ends_it(tmp_path, monkeypatch):
    states = ("PENDING", "RUNNING", "COMPLETING", "COMPLETED", "NODE_FAIL")
    rows = [(str(number), f"luna-site-{number}-1-run", state) for number, state in enumerate(states)]
    rows.append(("8", "luna-site-selftest-self-test-0123456789ab", "RUNNING"))
    monkeypatch.setattr(Slurm, "jobs", lambda self: rows)
    engine = SlurmEngine(Place(tmp_path / "store"))
    assert [job.name for job in engine.own_containers({"luna.instance": "site"})] == [
        "luna-site-0-1-run", "luna-site-1-1-run", "luna-site-selftest-self-test-0123456789ab",
    ]  # fmt: skip


@pytest.mark.parametrize("other", ["other", "site-test", "site-2", "site-2-1"])
def test_jobs_of_another_site_are_left_alone(tmp_path, monkeypatch, other):
    """They run under the same user and have no folder in our store."""
    roles = ("12-1-run", "12-1-smoke", "selftest-unpack-0123456789ab")
    monkeypatch.setattr(Slurm, "jobs", lambda self: [("9", f"luna-{other}-{role}", "RUNNING") for role in roles])
    engine = SlurmEngine(Place(tmp_path / "store"))
    assert engine.own_containers({"luna.instance": "site"}) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("infinite", float("inf")),
        ("n/a", float("inf")),
        ("30:00", 1800),
        ("2:00:00", 7200),
        ("7-00:00:00", 604800),
        ("1-12:30:05", 131405),
    ],
)
def test_a_time_limit_is_read_as_sinfo_prints_it(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(("longest_s", "lifetime_s"), [(float("inf"), 3600 + 1980), (4000.0, 4000)])
def test_a_job_has_time_to_prepare_as_far_as_a_partition_gives_it(tmp_path, monkeypatch, longest_s, lifetime_s):
    monkeypatch.setattr(Slurm, "cluster", lambda self: Cluster("22.05", ("one",), 2, 1 << 30, longest_s))
    assert SlurmEngine(Place(tmp_path / "store"))._lifetime_s(Limits(timeout_s=3600)) == lifetime_s


def test_a_phase_that_allows_more_time_than_a_partition_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Slurm, "cluster", lambda self: Cluster("22.05", ("one",), 2, 1 << 30, 3600.0))
    with pytest.raises(EngineFault, match="No partition gives") as caught:
        SlurmEngine(Place(tmp_path / "store"))._lifetime_s(Limits(timeout_s=3600))
    assert "MaxTime" in caught.value.staff_detail


def test_an_archive_that_a_worker_left_when_it_was_ended_goes_with_the_next_load(tmp_path):
    """It has the size of an image, and was the worker's own to remove."""
    engine = SlurmEngine(Place(tmp_path))
    left, in_use = tmp_path / "layouts" / "left", tmp_path / "layouts" / "in-use"
    for folder in (left, in_use):
        (folder / "blobs").mkdir(parents=True)
    two_days_ago = time.time() - 2 * 86400
    os.utime(left, (two_days_ago, two_days_ago))
    with pytest.raises(ContainerFault, match="ARCHIVE_CORRUPT"):
        engine.load([b"no archive"])
    assert [*(tmp_path / "layouts").iterdir()] == [in_use]
