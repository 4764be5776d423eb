"""Prove that the sandbox holds on this engine, with the very configuration participants get."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submissions.runner.attempt import Attempt, Host, Means, attempt_on, wait_exited
from submissions.runner.base import EngineFault, Limits
from submissions.runner.host.reaper import ROWLESS
from submissions.runner.model_body import read_image, with_volume
from submissions.runner.sandbox import CASES_AT, Labels, holder_spec, model_spec
from submissions.runner.values import MIB, Bind, EngineFacts

PROBE_LIMITS = Limits(memory_mib=128, cpus=0.5, tmp_mib=8, shm_mib=4, pids=64, root_mib=16, root_files=256)
LIFETIME_S = 60.0
# CVE-2024-21626, and the three of 2025: CVE-2025-31133, -52565, -52881.
SAFE_RUNC = ((1, 2, 8), (1, 3, 3), (1, 4, 0))


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report. is_fatal: no container may run while this fails."""

    name: str
    ok: bool
    detail: str
    is_fatal: bool = True


@dataclass(frozen=True)
class Findings:
    """What the self-test saw: a check for each promise, and by which means a root is made writable."""

    checks: list[Check]
    means: Means


def self_test(host: Host, cases_dir: Path) -> list[Check]:
    """Run the probe under a model's flags and judge what it saw. Raises EngineFault."""
    return findings(host, cases_dir).checks


def findings(host: Host, cases_dir: Path) -> Findings:
    """Find this engine's best means for a writable root, and judge the sandbox made with it. Raises EngineFault."""
    # Of its own: workers in containers that share the folder have the same number.
    witness_dir = cases_dir / f"{ROWLESS}-{secrets.token_hex(6)}"
    witness_dir.mkdir(parents=True)
    nonce = secrets.token_hex(16)
    witness = witness_dir / "witness"
    try:
        witness.write_text(nonce)
        witness.chmod(0o644)
        witness_dir.chmod(0o755)
        means, seen = _best(host, witness_dir)
    finally:
        witness.unlink(missing_ok=True)
        witness_dir.rmdir()
    means = dataclasses.replace(means, maps_root=seen["root_outside"] > 0)
    return Findings(judge(seen, nonce, means), means)


def _best(host: Host, witness_dir: Path) -> tuple[Means, dict[str, Any]]:
    """Return the first means that bounds what is written, else folders, which always do, and what the probe saw."""
    whole = [Means(has_whole_root=True, is_bounded_by_engine=True)]
    if host.runtime and host.runtime.startswith("runsc"):
        whole.append(Means(has_whole_root=True))
    for means in whole:
        with contextlib.suppress(EngineFault):
            seen = _seen(dataclasses.replace(host, means=means), witness_dir)
            if _is_bounded(seen):
                return means, seen
    return Means(), _seen(dataclasses.replace(host, means=Means()), witness_dir)


def _is_bounded(seen: dict[str, Any]) -> bool:
    return (
        0 < seen["writable_bytes"] <= PROBE_LIMITS.root_mib * MIB
        and 0 < seen["writable_files"] <= PROBE_LIMITS.root_files
        and bool(seen["is_gone"])
    )


def _seen(host: Host, witness_dir: Path) -> dict[str, Any]:
    labels = host.labels(f"{ROWLESS}-{os.getpid()}-{secrets.token_hex(3)}", 0, LIFETIME_S)
    with attempt_on(host.engine) as attempt:
        seen = _probe(host, attempt, labels, witness_dir)
    left = host.engine.own_volumes(labels.of("root"))
    return seen | {"is_gone": not left}


def _probe(host: Host, attempt: Attempt, labels: Labels, witness_dir: Path) -> dict[str, Any]:
    image = host.engine.image(host.driver_image)
    if image is None:
        raise EngineFault("The driver image is missing.", staff_detail=f"driver image {host.driver_image}")
    limits, writable = PROBE_LIMITS, "" if host.means.has_whole_root else "/writable"
    reading = read_image(attempt, host, labels, image, limits, [writable] if writable else [])
    reading = with_volume(reading, attempt, labels, limits, 0)
    holder = attempt.create(holder_spec(labels, host.driver_image, reading.volumes))
    host.engine.start(holder)
    body = reading.filled(attempt, holder)
    binds = (Bind(str(witness_dir), CASES_AT),)
    spec = model_spec(labels, image, limits, runtime=host.runtime, binds=binds, body=body)
    command = ["probe", f"{CASES_AT}/witness", writable, str(limits.root_mib * MIB), str(limits.root_files)]
    model = attempt.create(dataclasses.replace(spec, command=command))
    host.engine.start(model)
    state = wait_exited(host.engine, model, timeout_s=20)
    text = host.engine.logs(model)
    try:
        return dict(json.loads(text))
    except ValueError as error:
        detail = f"exit code {state.exit_code}: {text[-500:]}"
        raise EngineFault("The self-test of the sandbox gave no answer.", staff_detail=detail) from error


def judge(seen: dict[str, Any], nonce: str, means: Means) -> list[Check]:
    """Return a check for each promise of the sandbox."""
    interfaces = seen["interfaces"]
    secrets_inside = [name for name in seen["environment"] if re.search("SECRET|PASSWORD|DATABASE|MINIO|TOKEN", name)]
    return [
        Check("user", seen["uid"] == 65534 and seen["gid"] == 65534, f"uid {seen['uid']}, gid {seen['gid']}"),
        Check("capabilities", seen["capabilities"] == 0, f"effective {seen['capabilities']:#x}"),
        Check("no new privileges", seen["no_new_privileges"], str(seen["no_new_privileges"])),
        Check("seccomp", seen["seccomp"], "filter on" if seen["seccomp"] else "no filter", is_fatal=False),
        Check(
            "system calls",
            not seen["let_through"],
            "denied as meant" if not seen["let_through"] else f"let through: {', '.join(seen['let_through'])}",
            is_fatal=seen["seccomp"],  # a runtime with a kernel of its own has no filter
        ),
        Check("processes", 0 < seen["processes"] < PROBE_LIMITS.pids, f"{seen['processes']} of {PROBE_LIMITS.pids}"),
        Check("name servers", _is_neutral(seen["resolv_conf"]), seen["resolv_conf"].strip().replace("\n", ", ")),
        Check(
            "network",
            interfaces == ["lo"] and seen["outside"] != "done",
            f"{interfaces}, outside: {seen['outside']}",
        ),
        Check("read-only root", means.has_whole_root or seen["root_write"] != "done", seen["root_write"]),
        Check("writable root", _is_bounded(seen), _writable_detail(seen, means)),
        Check("read-only mounts", seen["mount_write"] != "done", seen["mount_write"]),
        Check("writable /tmp", seen["tmp_write"] == "done", seen["tmp_write"]),
        Check("size of /tmp", seen["tmp_bytes"] <= PROBE_LIMITS.tmp_mib * MIB, f"{seen['tmp_bytes']} bytes"),
        Check("size of /dev/shm", seen["shm_bytes"] <= PROBE_LIMITS.shm_mib * MIB, f"{seen['shm_bytes']} bytes"),
        Check(
            "mounts arrive",
            seen["witness"] == nonce,
            "" if seen["witness"] == nonce else "EVALUATION_CASES_DIR is not this engine's",
        ),
        Check("no engine socket", not seen["engine_socket"], str(seen["engine_socket"])),
        Check("no secrets inside", not secrets_inside, ", ".join(secrets_inside)),
    ]


def _is_neutral(resolv_conf: str) -> bool:
    """Say whether a resolv.conf tells nothing of the host: loopback servers and no search domain."""
    lines = [line.split() for line in resolv_conf.splitlines() if line.strip() and not line.startswith("#")]
    return all(words[0] == "options" or words[1:] in (["127.0.0.1"], ["."]) for words in lines)


def _writable_detail(seen: dict[str, Any], means: Means) -> str:
    by = "the storage driver" if means.is_bounded_by_engine else "the runtime" if means.has_whole_root else "folders"
    limit = f"of {PROBE_LIMITS.root_mib * MIB:,} bytes and {PROBE_LIMITS.root_files} files"
    gone = "gone afterwards" if seen["is_gone"] else "STILL THERE afterwards"
    root = f"root is uid {seen['root_outside']} outside"
    return f"by {by}: took {seen['writable_bytes']:,} bytes, {seen['writable_files']} files {limit}; {gone}; {root}"


def version_checks(facts: EngineFacts, runtime: str | None) -> list[Check]:
    """Return what the engine's own versions say; an old one is an alert, not a stop."""
    oldest = (4, 3, 0) if facts.is_podman else (20, 10, 0)
    checks = [
        Check("engine", not facts.refusal, facts.refusal or facts.name),
        Check("engine version", version_of(facts.version) >= oldest, facts.version, is_fatal=False),
    ]
    if facts.runc is not None:  # a cluster's nodes have each their own, which their checks tell
        wanted = f"{facts.runc}; wanted 1.2.8, 1.3.3, 1.4.0 or later"
        checks.append(Check("runc version", is_safe_runc(facts.runc), wanted, is_fatal=False))
    if runtime:
        offered = f"EVALUATION_RUNTIME={runtime}, engine has {', '.join(facts.runtimes)}"
        checks.append(Check("runtime", runtime in facts.runtimes, offered))
    return checks


def is_safe_runc(text: str) -> bool:
    """Say whether a runc version carries the fixes; each maintained branch got them in its own release."""
    version = version_of(text)
    newest = SAFE_RUNC[-1]
    return version >= newest or any(version[:2] == safe[:2] and version >= safe for safe in SAFE_RUNC)


def version_of(text: str) -> tuple[int, int, int]:
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
