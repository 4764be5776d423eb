"""What each container is given, and what a sound sandbox looks like from inside."""

import pytest

from submissions.runner.attempt import Means
from submissions.runner.base import Limits
from submissions.runner.engine.container_spec import container_options
from submissions.runner.engine.seccomp import seccomp_profile
from submissions.runner.host import selftest
from submissions.runner.host.selftest import findings, is_safe_runc, judge, version_of
from submissions.runner.identity import Identity
from submissions.runner.sandbox import Labels, ModelBody, driver_spec, holder_spec, model_environment, model_spec
from submissions.runner.values import EngineImage, OutputVolume

LABELS = Labels("luna", "site", "17", 2, 1000)
IMAGE = EngineImage("sha256:abc", {"PATH": "/bin"}, ("/data",), (8000,))


@pytest.mark.parametrize(
    "spec",
    [
        holder_spec(LABELS, "sha256:driver"),
        model_spec(LABELS, IMAGE, Limits()),
        driver_spec(LABELS, "sha256:driver", "/cases", "/plan"),
    ],
    ids=["holder", "model", "driver"],
)
def test_every_role_is_hardened_alike(spec):
    options = container_options(spec)
    expected = {
        "privileged": False, "init": True, "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={seccomp_profile()}"],
        "read_only": True, "user": "65534:65534", "healthcheck": {"test": ["NONE"]},
        "restart_policy": {"Name": "no"}, "auto_remove": False,
    }  # fmt: skip
    assert {name: options[name] for name in expected} == expected
    assert options["mem_limit"] == options["memswap_limit"] > 0
    assert options["log_config"]["config"] == {"max-size": "1m", "max-file": "1", "compress": "false"}
    assert not {"ports", "devices", "cap_add", "pid_mode", "uts_mode", "volumes"} & options.keys()
    assert options["labels"].keys() >= {
        "luna.instance",
        "luna.evaluation",
        "luna.attempt",
        "luna.role",
        "luna.deadline",
    }
    assert options["network_mode"] in ("none", "container:luna-site-17-2-holder")


def test_the_model_mounts_nothing_of_ours():
    assert container_options(model_spec(LABELS, IMAGE, Limits()))["mounts"] == []


def test_the_driver_reads_cases_and_plan_and_cannot_write_them():
    mounts = container_options(driver_spec(LABELS, "sha256:driver", "/cases", "/plan"))["mounts"]
    assert all(mount["ReadOnly"] for mount in mounts)


def test_a_gpu_is_given_only_when_granted():
    assert "device_requests" not in container_options(model_spec(LABELS, IMAGE, Limits()))
    assert container_options(model_spec(LABELS, IMAGE, Limits(gpu=True)))["device_requests"]


def test_declared_volumes_become_sized_tmpfs():
    tmpfs = model_spec(LABELS, IMAGE, Limits(tmp_mib=10)).tmpfs
    assert tmpfs.keys() == {"/tmp", "/data"}
    assert all("size=10m" in options for options in tmpfs.values())


@pytest.mark.parametrize(
    ("declared", "mounted", "expected"),
    [
        ("/output", (), {"/tmp", "/output"}),  # the HTTP contract mounts nothing there: it would be a folder on disk
        ("/input/", (), {"/tmp", "/input"}),
        ("/output", ("/output",), {"/tmp"}),
        ("/output/", ("/output",), {"/tmp"}),
        ("/./output", ("/output",), {"/tmp"}),
        ("//tmp/", (), {"/tmp"}),
    ],
)
def test_a_declared_volume_is_covered_once(declared, mounted, expected):
    image = EngineImage("i", {}, (declared,), ())
    volumes = tuple(OutputVolume("v", target, read_only=False) for target in mounted)
    assert model_spec(LABELS, image, Limits(), volumes=volumes).tmpfs.keys() == expected


def test_loader_and_gpu_variables_of_the_image_are_emptied():
    given = {"LD_PRELOAD": "/x.so", "LD_LIBRARY_PATH": "/lib", "NVIDIA_VISIBLE_DEVICES": "all", "HF_HOME": "/weights"}
    environment = model_environment(EngineImage("i", given, (), ()), Limits())
    assert environment["LD_PRELOAD"] == ""
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert "LD_LIBRARY_PATH" not in environment
    assert environment["HF_HOME"] == "/tmp/.cache/huggingface"  # the image has no /weights
    assert environment["HOME"] == "/root"


def test_caches_and_home_of_the_image_stay_where_it_has_them():
    body = ModelBody(Identity("5:6", (7,), "/home/x", owns_as_root=False), frozenset({"HF_HOME"}))
    image = EngineImage("i", {"HF_HOME": "/weights"}, (), ())
    spec = model_spec(LABELS, image, Limits(), body=body)
    options = container_options(spec)
    assert (options["user"], options["group_add"]) == ("5:6", ["7"])
    assert options["environment"]["HOME"] == "/home/x"
    assert "HF_HOME" not in options["environment"]
    assert options["environment"]["TORCH_HOME"] == "/tmp/.cache/torch"
    assert (options["cap_drop"], options["read_only"]) == (["ALL"], True)
    assert "no-new-privileges" in options["security_opt"]


# The doctor


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ("1.1.5+ds1", False),
        ("1.2.7", False),
        ("1.2.8", True),
        ("1.3.2", False),
        ("1.3.3", True),
        ("1.4.0-rc.2", True),
        ("2.0.0", True),
        ("", False),
    ],
)
def test_runc_versions_with_known_holes(version, is_safe):
    assert is_safe_runc(version) is is_safe


def test_versions_read_from_any_spelling():
    assert [version_of(text) for text in ("v29.1.2", "20.10.24+dfsg1", "1.4", "?")] == [
        (29, 1, 2),
        (20, 10, 24),
        (1, 4, 0),
        (0, 0, 0),
    ]


GOOD_SIGHT = {
    "uid": 65534, "gid": 65534, "capabilities": 0, "no_new_privileges": True, "seccomp": True, "interfaces": ["lo"],
    "outside": "Network is unreachable", "root_write": "Read-only file system", "mount_write": "Read-only file system",
    "tmp_write": "done", "tmp_bytes": 8 << 20, "shm_bytes": 4 << 20, "witness": "n", "environment": ["HOME"],
    "engine_socket": False, "let_through": [], "resolv_conf": "search .\nnameserver 127.0.0.1\noptions ndots:0\n",
    "root_outside": 0, "processes": 60, "writable_bytes": 15 << 20, "writable_files": 200, "is_gone": True,
}  # fmt: skip


def test_a_sound_sandbox_passes_every_check():
    assert all(check.ok for check in judge(GOOD_SIGHT, "n", Means()))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"uid": 0}, "user"),
        ({"capabilities": 1}, "capabilities"),
        ({"no_new_privileges": False}, "no new privileges"),
        ({"interfaces": ["eth0", "lo"]}, "network"),
        ({"outside": "done"}, "network"),
        ({"let_through": ["io_uring_setup"]}, "system calls"),
        ({"resolv_conf": "nameserver 10.0.0.2\n"}, "name servers"),
        ({"resolv_conf": "search hospital.example\nnameserver 127.0.0.1\n"}, "name servers"),
        ({"root_write": "done"}, "read-only root"),
        ({"mount_write": "done"}, "read-only mounts"),
        ({"tmp_write": "Permission denied"}, "writable /tmp"),
        ({"tmp_bytes": 1 << 34}, "size of /tmp"),
        ({"shm_bytes": 1 << 34}, "size of /dev/shm"),
        ({"witness": "unreadable"}, "mounts arrive"),
        ({"processes": 1 << 12}, "processes"),
        ({"processes": 0}, "processes"),
        ({"engine_socket": True}, "no engine socket"),
        ({"environment": ["DATABASE_URL"]}, "no secrets inside"),
        ({"writable_bytes": 64 << 20}, "writable root"),
        ({"writable_files": 1024}, "writable root"),
        ({"writable_bytes": -1}, "writable root"),
        ({"is_gone": False}, "writable root"),
    ],
)
def test_each_hole_in_the_sandbox_is_fatal(change, name):
    failed = [check for check in judge(GOOD_SIGHT | change, "n", Means()) if not check.ok]
    assert [(check.name, check.is_fatal) for check in failed] == [(name, True)]


def test_two_that_prove_it_at_once_have_a_witness_each(tmp_path, monkeypatch):
    """Workers in pods of one node share the folder of cases, and each is process 1 of its pod."""
    witnesses = []

    def look(host, folder):
        nonce = (folder / "witness").read_text()
        witnesses.append(nonce)
        if len(witnesses) == 1:
            assert all(check.ok for check in findings(None, tmp_path).checks)
        return Means(), GOOD_SIGHT | {"witness": nonce if (folder / "witness").is_file() else "unreadable"}

    monkeypatch.setattr(selftest, "_best", look)
    assert all(check.ok for check in findings(None, tmp_path).checks)
    assert len(set(witnesses)) == 2
    assert list(tmp_path.iterdir()) == []
