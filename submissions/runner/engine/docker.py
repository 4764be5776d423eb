"""The gateway to a container engine: the only module that imports `docker`.

Every call has a time-out, and everything that can go wrong on the engine's side is an EngineFault
whose text is for staff only.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import json
import struct
import tarfile
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from submissions.runner.base import AttemptTaken, ContainerFault
from submissions.runner.engine.container_spec import container_options, root_volume_options, volume_options
from submissions.runner.engine.errors import (
    engine_fault,
    load_error,
    loaded_id,
    names_the_image,
    readable,
    start_fault,
)
from submissions.runner.engine.output_stream import OutputStream
from submissions.runner.engine.passwd_check import UNREACHABLE
from submissions.runner.engine.responses import container_state, engine_facts, engine_image, memory_bytes, own_container
from submissions.runner.values import (
    ContainerSpec,
    ContainerState,
    EngineFacts,
    EngineImage,
    OutputVolume,
    OwnContainer,
)

CALL_TIMEOUT_S = 60
LOAD_TIMEOUT_S = 3600
LOAD_WORDS = 10_000
LOG_TAIL_BYTES = 64 * 1024
HAS_ENDED = "can only kill running containers"  # podman's words, under a status of its own
Result = TypeVar("Result")
# What goes wrong between a gateway and its engine; the two of HTTP where an answer that is read bit by bit breaks off.
BROKEN = (
    DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException,
    OSError, struct.error,
)  # fmt: skip


def guarded(call: Callable[..., Result]) -> Callable[..., Result]:
    """Make what goes wrong between a gateway and its engine an EngineFault."""

    @functools.wraps(call)
    def faultless(*args: Any, **kwargs: Any) -> Result:
        try:
            return call(*args, **kwargs)
        except BROKEN as error:
            raise engine_fault(error) from error

    return faultless


class DockerEngine:
    """A Docker engine, spoken to with time-outs. Not shared between threads."""

    forces_volumes = True
    log_lines: int | str = 2000

    def __init__(self, base_url: str | None = None, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._client = self._connect(timeout_s)

    def _connect(self, timeout_s: float) -> Any:
        try:
            if self._base_url:
                return docker.DockerClient(base_url=self._base_url, version="auto", timeout=timeout_s)
            return docker.from_env(version="auto", timeout=timeout_s)
        except (DockerException, requests.exceptions.RequestException, OSError) as error:
            raise engine_fault(error) from error

    def close(self) -> None:
        self._client.close()

    def twin(self) -> DockerEngine:
        """Return a connection of its own to the same engine, for another thread."""
        return DockerEngine(self._base_url, timeout_s=self._timeout_s)

    @property
    def is_local(self) -> bool:
        """Whether the engine is reached by a socket of this machine."""
        return str(self._client.api.base_url).startswith("http+docker://")

    # Facts

    @guarded
    def facts(self) -> EngineFacts:
        """Return versions, runtimes, storage driver and root of the engine."""
        return engine_facts(self._client.info(), self._client.version())

    def capacity(self) -> tuple[int, int]:
        """Return CPUs and bytes of memory of the engine's machine; 0 where it does not say."""
        facts = self.facts()
        return facts.cpus, facts.memory_bytes

    # Images

    @guarded
    def image(self, reference: str) -> EngineImage | None:
        """Return what is known of an image, or None if the engine has none by that name."""
        try:
            return engine_image(self._client.api.inspect_image(reference))
        except ImageNotFound:
            return None

    @guarded
    def load(self, archive: Iterable[bytes]) -> str:
        """Load an archive that intake wrote; return the ID the engine gave the image, "" if it does not say.

        An engine with containerd's image store calls an image by its manifest's digest, not its config's.
        Raises ContainerFault when the engine blames the archive, EngineFault for any other refusal.
        """
        response = ""
        client = self._connect(LOAD_TIMEOUT_S)
        try:
            for line in client.api.load_image(iter(archive), quiet=True):
                if "error" in line:
                    raise load_error(str(line["error"]))
                response = f"{response}{line.get('stream', '')}"[-LOAD_WORDS:]
        except APIError as error:
            raise load_error(str(error)) from error
        finally:
            client.close()
        return loaded_id(response)

    @guarded
    def tags(self, repository: str) -> dict[str, list[str]]:
        """Return the tags below a repository name, by image ID."""
        found: dict[str, list[str]] = {}
        for image in self._client.api.images(name=repository):
            own = [tag for tag in image.get("RepoTags") or [] if tag.startswith(f"{repository}:")]
            found.setdefault(image["Id"], []).extend(own)
        return found

    @guarded
    def tag(self, image_id: str, repository: str, version: str) -> None:
        self._client.api.tag(image_id, repository, version, force=True)

    @guarded
    def remove_image(self, reference: str) -> bool:
        """Remove a tag or an image; False where it is in use, or gone already."""
        try:
            self._client.api.remove_image(reference, force=False, noprune=False)
        except APIError as error:
            if error.status_code in (404, 409):
                return False
            raise
        return True

    # Containers

    @guarded
    def create(self, spec: ContainerSpec, *, is_untrusted: bool = False) -> str:
        """Create a container and return its id.

        Raises AttemptTaken if its name is in use, ContainerFault(CONTAINER_START) when their image does not allow it.
        """
        try:
            return self._create(spec)
        except APIError as error:
            if error.status_code == 409 or "is already in use" in str(error):
                raise AttemptTaken("Another worker runs this attempt.", staff_detail=str(error)) from error
            if is_untrusted and names_the_image(str(error), at_create=True):
                raise start_fault(error) from error
            raise

    def _create(self, spec: ContainerSpec) -> str:
        # Else docker-py adds the proxies, and their passwords, of this account's ~/.docker/config.json.
        options = {**container_options(spec), "use_config_proxy": False}
        return str(self._client.containers.create(spec.image_id, spec.command, **options).id)

    def _posted(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the engine answers to a JSON body at a path that docker-py has no method for."""
        api = self._client.api
        answer = api.post(f"{api.base_url}/{path}", json=body, timeout=self._timeout_s)
        api._raise_for_status(answer)
        return cast(dict[str, Any], answer.json() if answer.content else {})

    @guarded
    def stat(self, container_id: str, path: str) -> tuple[int, str]:
        """Return (mode as Go has it, where a link leads in the end); (0, "") where nothing is. Opens no file."""
        api = self._client.api
        url = f"{api.base_url}/v{api.api_version}/containers/{container_id}/archive"
        answer = api.head(url, params={"path": path}, timeout=self._timeout_s)
        if not answer.ok:
            return (0 if answer.status_code == 404 else UNREACHABLE), ""  # a loop of links, for one
        stat = json.loads(b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
        return int(stat["mode"]), str(stat.get("linkTarget", ""))

    @guarded
    def start(self, container_id: str, *, is_untrusted: bool = False) -> None:
        """Start it. Raises ContainerFault(CONTAINER_START) when their image's command cannot be run."""
        try:
            self._start(container_id)
        except APIError as error:
            if is_untrusted and names_the_image(str(error)):
                raise start_fault(error) from error
            raise

    def _start(self, container_id: str) -> None:
        self._client.api.start(container_id)

    @guarded
    def state(self, container_id: str) -> ContainerState:
        """Return how it is; a container that was taken away reads as an engine fault."""
        return container_state(self._client.api.inspect_container(container_id)["State"])

    @guarded
    def inspect(self, container_id: str) -> dict[str, Any]:
        return cast(dict[str, Any], self._client.api.inspect_container(container_id))

    @guarded
    def memory(self, container_id: str) -> int:
        """Return the highest memory use known in bytes: the peak on cgroup v1, the present on v2."""
        return memory_bytes(self._client.api.stats(container_id, stream=False, one_shot=True))

    @guarded
    def kill(self, container_id: str) -> None:
        """End it at once; one that has ended already is fine."""
        try:
            self._client.api.kill(container_id)
        except APIError as error:
            if error.status_code not in (404, 409) and HAS_ENDED not in str(error):
                raise

    @guarded
    def remove(self, container_id: str) -> None:
        """Remove it with its anonymous volumes; one that is gone already is fine."""
        for last_try in (False, False, True):
            try:
                self._client.api.remove_container(container_id, force=True, v=True)
                return
            except NotFound:
                return
            except APIError as error:
                if last_try or error.status_code not in (409, 500):
                    raise
                time.sleep(0.2)

    @guarded
    def logs(self, container_id: str, limit: int = LOG_TAIL_BYTES) -> str:
        """Return the end of what it printed, as text without control characters."""
        raw = self._client.api.logs(container_id, stdout=True, stderr=True, tail=self.log_lines)
        return readable(raw[-limit:])

    @guarded
    def run_in(self, container_id: str, command: list[str]) -> tuple[int, str]:
        """Run a command in one of our own containers; return its exit code and output."""
        exit_code, output = self._client.containers.get(container_id).exec_run(command)
        return int(exit_code or 0), readable(output or b"")

    @contextlib.contextmanager
    def attached(self, container_id: str) -> Iterator[OutputStream]:
        """Give the standard output of a container as it comes. Attach before start."""
        try:
            params = {"stdout": 1, "stderr": 0, "stream": 1, "logs": 1}
            socket = self._client.api.attach_socket(container_id, params=params)
        except (DockerException, requests.exceptions.RequestException, OSError) as error:
            raise engine_fault(error) from error
        try:
            yield OutputStream(getattr(socket, "_sock", socket))
        finally:
            socket.close()

    @guarded
    def read_archive(self, container_id: str, path: str, limit_bytes: int) -> tarfile.TarFile | None:
        """Return a folder or file of a container as a tar in memory; None if there is none.

        Raises ContainerFault(OUTPUT_TOO_LARGE) at `limit_bytes`, whatever the engine announced.
        """
        try:
            chunks, _ = self._client.api.get_archive(container_id, path)
        except NotFound:
            return None
        held = io.BytesIO()
        for chunk in chunks:
            if held.tell() + len(chunk) > limit_bytes:
                chunks.close()
                raise ContainerFault("OUTPUT_TOO_LARGE", f"/output held more than {limit_bytes >> 20} MiB.")
            held.write(chunk)
        held.seek(0)
        return tarfile.open(fileobj=held, mode="r:")

    @contextlib.contextmanager
    def open_archive(self, container_id: str, path: str) -> Iterator[Any]:
        """Give a folder or file of a container as a stream of a tar, None if there is none."""
        api = self._client.api
        url = f"{api.base_url}/v{api.api_version}/containers/{container_id}/archive"
        try:
            plain = {"Accept-Encoding": "identity"}
            answer = api.get(url, params={"path": path}, headers=plain, stream=True, timeout=self._timeout_s)
        except (requests.exceptions.RequestException, OSError) as error:
            raise engine_fault(error) from error
        try:
            yield answer.raw if answer.ok else None
        except BROKEN as error:
            raise engine_fault(error) from error
        finally:
            answer.close()  # also where it broke off: the engine would go on holding the container

    @guarded
    def write_archive(self, container_id: str, path: str, archive: Iterable[bytes]) -> None:
        """Unpack a tar into a folder of one of our own containers, with the owners its headers name."""
        self._client.api.put_archive(container_id, path, archive)

    # Volumes and what is ours

    @guarded
    def volume_folder(self, name: str) -> str:
        """Return where a volume lies on the engine's machine."""
        return str(self._client.api.inspect_volume(name)["Mountpoint"])

    @guarded
    def create_root_volume(self, name: str, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        """Make the volume in memory that a model's writable folders lie in: programs in it may be run."""
        self._make_volume(name, labels, root_volume_options(size_mib, inodes))

    @guarded
    def create_volume(self, volume: OutputVolume, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        """Make a tmpfs volume bounded in bytes and in files."""
        self._make_volume(volume.name, labels, volume_options(size_mib, inodes))

    def _make_volume(self, name: str, labels: Mapping[str, str], options: Mapping[str, str]) -> None:
        self._client.api.create_volume(name, driver="local", labels=dict(labels), driver_opts=dict(options))

    @guarded
    def remove_volume(self, name: str) -> None:
        try:
            self._client.api.remove_volume(name, force=self.forces_volumes)
        except APIError as error:
            if error.status_code not in (404, 409):
                raise

    @guarded
    def own_containers(self, labels: Mapping[str, str]) -> list[OwnContainer]:
        """Return the containers that carry all of `labels`."""
        wanted = [f"{key}={value}" for key, value in labels.items()]
        rows = self._client.api.containers(all=True, filters={"label": wanted})
        return [own_container(row) for row in rows]

    @guarded
    def own_volumes(self, labels: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        """Return the labels of the volumes that carry all of `labels`, by volume name."""
        wanted = [f"{key}={value}" for key, value in labels.items()]
        rows = self._client.api.volumes(filters={"label": wanted}).get("Volumes") or []
        return {row["Name"]: row.get("Labels") or {} for row in rows}
