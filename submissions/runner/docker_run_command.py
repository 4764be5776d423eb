"""The sandbox as a `docker run` line, from the same values the platform starts containers with."""

from __future__ import annotations

from submissions.runner.base import Limits
from submissions.runner.engine.responses import EngineImage
from submissions.runner.sandbox import MIB, NOBODY, ContainerSpec, Labels, model_spec

NAMELESS = Labels("luna", "home", "try", 1, 0)


def docker_run_command(limits: Limits, *, contract: str = "http") -> str:
    """Return the line that runs IMAGE as an evaluation does, for participants to copy."""
    spec = model_spec(NAMELESS, EngineImage("IMAGE", {}, (), ()), limits)
    line = " \\\n  ".join(["docker run --rm --name lunasite-try", *_options(spec, contract), spec.image_id])
    # The container writes as nobody, so everybody must be allowed to.
    return f"mkdir -p output && chmod 777 output\n{line}" if contract == "batch" else line


def _options(spec: ContainerSpec, contract: str) -> list[str]:
    memory = f"{spec.memory_bytes // MIB}m"
    lines = [
        f"--init --network none --ipc private --read-only --user {NOBODY}",
        "--cap-drop ALL --security-opt no-new-privileges --no-healthcheck",
        f"--memory {memory} --memory-swap {memory} --cpus {spec.cpus:g} --pids-limit {spec.pids}",
        f"--shm-size {spec.shm_bytes // MIB}m --ulimit nofile=4096:4096 --ulimit core=0:0",
        "--log-driver local --log-opt max-size=1m --log-opt max-file=1 --log-opt compress=false",
    ]
    lines += [f"--tmpfs {path}:{options}" for path, options in sorted(spec.tmpfs.items())]
    lines += [f"--env {name}={value}" for name, value in sorted(spec.environment.items())]
    if contract == "batch":
        lines.append('--volume "$PWD/input:/input:ro" --volume "$PWD/output:/output"')
    return lines
