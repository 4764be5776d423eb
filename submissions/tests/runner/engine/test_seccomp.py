"""Our seccomp profile: what it lets through and what not, on paper and on the engine."""

import json

import pytest

from submissions.runner.driver.probe import CALLS
from submissions.runner.engine.seccomp import AF_VSOCK, ALLOWED, seccomp_profile
from submissions.runner.host.selftest import self_test
from submissions.tests.containers import docker


def rules_of(name):
    return [rule for rule in json.loads(seccomp_profile())["syscalls"] if name in rule["names"]]


@pytest.mark.parametrize("name", [*CALLS, "socketcall", "mount", "unshare", "setns", "open_by_handle_at", "kcmp"])
def test_what_is_denied_has_no_rule(name):
    assert rules_of(name) == []
    assert json.loads(seccomp_profile())["defaultAction"] == "SCMP_ACT_ERRNO"


def test_every_name_is_there_once_and_new_namespaces_are_not():
    assert len(ALLOWED) == len(set(ALLOWED)) > 300
    [clone] = rules_of("clone")
    assert clone["args"][0]["op"] == "SCMP_CMP_MASKED_EQ"
    assert clone["args"][0]["value"] == 0x7E020000
    [socket] = rules_of("socket")
    assert (socket["args"][0]["op"], socket["args"][0]["value"]) == ("SCMP_CMP_NE", AF_VSOCK)
    [clone3] = rules_of("clone3")
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


@pytest.mark.engine
def test_the_self_test_proves_each_denial(bench):
    [check] = [check for check in self_test(bench.host, bench.folder) if check.name == "system calls"]
    assert check.ok, check.detail


@pytest.mark.engine
def test_the_probe_notices_calls_that_are_let_through(bench):
    """With the engine's default profile, and with none, some get through: so the proof can fail."""
    common = ["run", "--rm", "--network", "none", "--cap-drop", "ALL", "--user", "65534:65534"]
    for option, expected in (("no-new-privileges", set()), ("seccomp=unconfined", {"ptrace", "keyctl", "add_key"})):
        probe = (bench.host.driver_image, "probe", "/nothing", "/tmp", "1024", "4")
        seen = json.loads(docker(*common, "--security-opt", option, *probe))
        assert expected <= set(seen["let_through"])
        assert seen["let_through"] != []
