"""The sandbox as a `docker run` line, from the same values the platform starts containers with."""

from __future__ import annotations

from submissions.runner.base import Limits
from submissions.runner.contracts.base import Contract
from submissions.runner.sandbox import CACHES, Labels, model_spec
from submissions.runner.values import MIB, ContainerSpec, EngineImage

# Volumes without a name begin as the image has these folders, with its owners, and are gone with the container.
WRITABLE_AT_HOME = ("/app", "/home", "/opt/app", "/results", "/root", "/srv", "/var/tmp", "/workspace")
NAMELESS = Labels("luna", "home", "try", 1, 0)


def docker_run_command(limits: Limits, contract: Contract) -> str:
    """Return the line that runs IMAGE as an evaluation does, for participants to copy."""
    spec = model_spec(NAMELESS, EngineImage("IMAGE", {}, (), ()), limits)
    line = " \\\n  ".join(["docker run --rm --name lunasite-try", *_options(spec, contract), spec.image_id])
    return f"{contract.home_setup}\n{line}" if contract.home_setup else line


def _options(spec: ContainerSpec, contract: Contract) -> list[str]:
    memory = f"{spec.memory_bytes // MIB}m"
    lines = [
        "--init --network none --ipc private --read-only",
        "--cap-drop ALL --security-opt no-new-privileges --no-healthcheck",
        f"--memory {memory} --memory-swap {memory} --cpus {spec.cpus:g} --pids-limit {spec.pids}",
        f"--shm-size {spec.shm_bytes // MIB}m --ulimit nofile=4096:4096 --ulimit core=0:0",
        "--log-driver local --log-opt max-size=1m --log-opt max-file=1 --log-opt compress=false",
    ]
    lines += [f"--tmpfs {path}:{options}" for path, options in sorted(spec.tmpfs.items())]
    folders = [f"--volume {path}" for path in WRITABLE_AT_HOME]
    lines += [" ".join(folders[:4]), " ".join(folders[4:])]
    # The image's own USER, home and caches hold at home as well.
    left_out = {"HOME", *CACHES}
    lines += [f"--env {name}={value}" for name, value in sorted(spec.environment.items()) if name not in left_out]
    return lines + list(contract.home_options)
