"""The `docker run` command for participants, from the same values the platform starts containers with."""

from __future__ import annotations

from submissions.runner.base import Limits
from submissions.runner.contracts.base import Contract
from submissions.runner.identity import IN_PLACE_OF_ROOT
from submissions.runner.sandbox import CACHES, Labels, model_spec
from submissions.runner.values import MIB, ContainerSpec, EngineImage

# Where images keep what they write; the platform reads of the image which of them its user owns.
USUAL_AT_HOME = "/app /home /opt/app /results /root /srv /var/tmp /workspace"
NAMELESS = Labels("luna", "home", "try", 1, 0)
FOLDERS = "lunasite-folders"
# A container that never starts keeps the folders: volumes without a name begin as the image has them. As on the
# platform, they are handed over where the image was built for root, which it does not get.
SET_UP = (
    """\
IMAGE=my-model
FOLDERS="USUAL"  # and your writable folders
RUN_AS=$(docker image inspect --format '{{.Config.User}}' "$IMAGE")
WORKDIR=$(docker image inspect --format '{{.Config.WorkingDir}}' "$IMAGE")
case "$WORKDIR" in ""|/|/tmp|/tmp/*) ;; *) FOLDERS="$FOLDERS $WORKDIR" ;; esac
docker create --name KEEPER $(printf -- '--volume %s ' $FOLDERS) "$IMAGE"
case "${RUN_AS%%:*}" in ""|root|0)
  RUN_AS=NOBODY HOME_IS="--env HOME=/root"
  docker run --rm --network none --volumes-from KEEPER busybox chown -R $RUN_AS $FOLDERS ;;
esac""".replace("USUAL", USUAL_AT_HOME)
    .replace("KEEPER", FOLDERS)
    .replace("NOBODY", IN_PLACE_OF_ROOT.user)
)
AFTERWARDS = f"docker rm --volumes {FOLDERS}"


def docker_run_command(limits: Limits, contract: Contract) -> str:
    """Return the commands that run an image as an evaluation does, for participants to copy."""
    spec = model_spec(NAMELESS, EngineImage('"$IMAGE"', {}, (), ()), limits)
    line = " \\\n  ".join(["docker run --rm --name lunasite-try", *_options(spec, contract), spec.image_id])
    return "\n".join(filter(None, (SET_UP, contract.home_setup, line, AFTERWARDS)))


def _options(spec: ContainerSpec, contract: Contract) -> list[str]:
    memory = f"{spec.memory_bytes // MIB}m"
    lines = [
        "--init --network none --ipc private --read-only",
        f'--user "$RUN_AS" $HOME_IS --volumes-from {FOLDERS}',
        "--cap-drop ALL --security-opt no-new-privileges --no-healthcheck",
        f"--memory {memory} --memory-swap {memory} --cpus {spec.cpus:g} --pids-limit {spec.pids}",
        f"--shm-size {spec.shm_bytes // MIB}m --ulimit nofile=4096:4096 --ulimit core=0:0",
        "--log-driver local --log-opt max-size=1m --log-opt max-file=1 --log-opt compress=false",
    ]
    lines += [f"--tmpfs {path}:{options}" for path, options in sorted(spec.tmpfs.items())]
    # The image's own home and caches hold at home as well.
    left_out = {"HOME", *CACHES}
    lines += [f"--env {name}={value}" for name, value in sorted(spec.environment.items()) if name not in left_out]
    return lines + list(contract.home_options)
