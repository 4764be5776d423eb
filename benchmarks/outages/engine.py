"""A Docker engine of this run's own, on a disk of its own, to be killed, filled and started again."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

STARTS_WITHIN_S = 90.0
# For the base images of a test and little else; a file fills it.
DISK_MIB = 1024


class Engine:
    """Its state lies on a tmpfs, so that a full disk is that engine's alone."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lunasite-outages-engine-"))
        self.state = self.folder / "state"
        self.socket = self.folder / "docker.sock"
        self.address = f"unix://{self.socket}"
        self.daemon: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        return {
            "DOCKER_HOST": self.address, "EVALUATION_CASES_DIR": str(self.folder / "cases"),
            "LUNASITE_INSTANCE": f"outages{secrets.token_hex(3)}", "EVALUATION_MEMORY": "256m",
        }  # fmt: skip

    def start(self) -> None:
        """Start it, or start it again on what it had. Raises TimeoutError."""
        if not self.state.is_dir():
            self.state.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(self.state)], check=True)
            self.folder.chmod(0o755)
        # A network of its own: a daemon without a bridge removes the bridge of the machine's other daemon.
        command = ["unshare", "--net", "dockerd", "--host", self.address, "--data-root", str(self.state),
                   "--exec-root", str(self.folder / "exec"), "--pidfile", str(self.folder / "pid"),
                   "--log-level", "warn", "--iptables=false", "--ip6tables=false", "--bridge=none"]  # fmt: skip
        self._launch(command)
        give_up = time.monotonic() + STARTS_WITHIN_S
        while not self.answers():
            if time.monotonic() > give_up:
                raise TimeoutError(f"the engine does not start: {(self.folder / 'log').read_text()[-2000:]}")
            if self.daemon.poll() is not None:  # it waits 15 s for its containerd, then ends; systemd starts it again
                self._launch(command)
            time.sleep(0.2)

    def _launch(self, command: list[str]) -> None:
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def answers(self) -> bool:
        command = ["curl", "-fsS", "--max-time", "2", "--unix-socket", str(self.socket), "http://engine/_ping"]
        return subprocess.run(command, capture_output=True).returncode == 0

    def kill(self) -> None:
        """End the daemon as the kernel does when memory runs out; what it runs goes on without it."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def fill(self) -> None:
        """Leave a megabyte of its disk."""
        free_bytes = shutil.disk_usage(self.state).free
        with (self.state / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(1, free_bytes - (1 << 20)))

    def make_room(self) -> None:
        (self.state / "filler").unlink(missing_ok=True)

    def docker(self, *arguments: str) -> bytes:
        command = ["docker", "--host", self.address, *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def containers(self) -> list[str]:
        return self.docker("ps", "-aq").decode().split()

    def stop(self) -> None:
        """End it with all that it started, and remove what it kept."""
        if self.daemon is not None:
            children = self._processes()
            self.daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.daemon.wait(30)
            for process in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
            for mount in reversed([path for path in mounts if path.startswith(str(self.folder))]):
                subprocess.run(["umount", "-l", mount], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        """Return the daemon's own processes: its containerd and shims name this folder in their arguments."""
        named = str(self.folder)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(named in part for part in process.cmdline()) and process.pid != os.getpid():
                    found.append(process)
        return found


__all__ = ["Engine"]
