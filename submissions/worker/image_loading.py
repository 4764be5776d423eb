"""A submission's image on this host's engine: still there from an earlier run, or fetched, checked and loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from submissions.actions.heartbeat import Heartbeat
from submissions.faults import PlatformError
from submissions.intake.image.facts import ImageFacts
from submissions.intake.image.rewrite import rewritten
from submissions.intake.image.scan import scan_archive
from submissions.models import Submission
from submissions.runner.attempt import Host
from submissions.runner.base import EngineFault
from submissions.worker import engine_host
from submissions.worker.progress_recorder import ProgressRecorder
from submissions.worker.registry_fetch import fetch_from_registry
from submissions.worker.stored_archive import stored_archive

DISK_FACTOR = 3
LOAD_CHECK_EVERY_S = 0.5


def image_on(host: Host, progress: ProgressRecorder, heartbeat: Heartbeat) -> str:
    """Return the ID of the image, loaded on the engine; a known one is neither scanned nor loaded.

    The submission learns its image_id and sha256 on the way. Raises ParticipantError, PlatformError, a RunError of
    the engine's, or StatusConflict once the attempt is no longer ours.
    """
    return _ImageLoading(host, progress, heartbeat).run()


class _ImageLoading:
    def __init__(self, host: Host, progress: ProgressRecorder, heartbeat: Heartbeat) -> None:
        self.host, self.progress, self.heartbeat = host, progress, heartbeat
        self.evaluation = progress.evaluation
        self.submission: Submission = progress.evaluation.submission
        self.image_cache = engine_host.image_cache(host.engine)

    def run(self) -> str:
        known = self.submission.image_id
        if known and (engine_id := self.image_cache.engine_id_of(known)):
            self.image_cache.mark_used(known, time.time())
            self.progress.timings["load_s"] = 0.0
            self.evaluation.add_event("load", "The image was still loaded.")
            return engine_id
        self.progress.stage("fetch")
        if not self.submission.file:
            with self.progress.timed("pull_s"):
                fetch_from_registry(self.submission, self.heartbeat.check)
            self.evaluation.add_event(
                "fetch", "The image was pulled from its registry.", self.submission.image_reference
            )
        with stored_archive(self.submission, check=self.heartbeat.check) as path:
            return self._loaded(path, self._scanned(path))

    def _scanned(self, path: Path) -> ImageFacts:
        self.progress.stage("intake")
        with self.progress.timed("intake_s"):
            facts = _scan(path)
        if self.submission.sha256 not in ("", facts.sha256):
            raise PlatformError("SYSTEM_STORAGE", "the stored archive is not what was uploaded")
        Submission.objects.filter(pk=self.submission.pk).update(image_id=facts.image_id, sha256=facts.sha256)
        self.submission.image_id, self.submission.sha256 = facts.image_id, facts.sha256
        self.evaluation.add_event("intake", "The image was checked.", _image_facts(facts))
        return facts

    def _loaded(self, path: Path, facts: ImageFacts) -> str:
        """Load the image unless the engine has it; return what the engine calls it."""
        self.progress.stage("load")
        with self.progress.timed("load_s"), engine_host.one_load_at_a_time(self.heartbeat.check):
            engine_id = self.image_cache.engine_id_of(facts.image_id)
            if not engine_id:
                engine_host.make_room(self.host, DISK_FACTOR * facts.expanded_bytes)
                with engine_host.marked_as_loading(facts.image_id):
                    engine_id = self._arrived(facts, "") or self._send(path, facts)
                    self.image_cache.mark_used(facts.image_id, time.time(), engine_id=engine_id)
        took = f"The image was loaded in {self.progress.timings['load_s']:.1f} s."
        self.evaluation.add_event("load", took, _engine_facts(self.host))
        return engine_id

    def _send(self, path: Path, facts: ImageFacts) -> str:
        """Load the rewritten archive and return the image's ID. Raises EngineFault unless it is this image."""
        response = self.host.engine.load(self._watched(rewritten(path, facts)))
        engine_id = self._arrived(facts, response)
        if not engine_id:
            raise EngineFault("The engine has no such image after loading it.", staff_detail=facts.image_id)
        return engine_id

    def _watched(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass an archive on, stopping when the attempt is no longer ours."""
        next_look = 0.0
        for piece in pieces:
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + LOAD_CHECK_EVERY_S
                self.heartbeat.check()
            yield piece

    def _arrived(self, facts: ImageFacts, response: str) -> str:
        """Return the ID under which the engine has exactly these layers, "" if it has not."""
        for name in filter(None, (facts.image_id, response)):
            image = self.host.engine.image(name)
            if image is not None and image.layers == facts.diff_ids:
                return image.image_id
        return ""


def _scan(path: Path) -> ImageFacts:
    try:
        return scan_archive(path)
    except OSError as error:
        raise PlatformError("SYSTEM_STORAGE", str(error)) from error


def _image_facts(facts: ImageFacts) -> str:
    """Return what staff read of an image."""
    return (
        f"{facts.image_id}, {facts.layout}, {len(facts.diff_ids)} layers, {facts.file_bytes:,} bytes, "
        f"unpacked {facts.expanded_bytes:,}, user {facts.config.user or 'root'!a}"
    )


def _engine_facts(host: Host) -> str:
    """Return what staff read of the engine an image was loaded on."""
    facts = host.engine.facts()
    parts = (
        f"{facts.name} {facts.version}",
        facts.runc and f"runc {facts.runc}",
        facts.storage_driver,
        facts.kernel and f"kernel {facts.kernel}",
        f"runtime {host.runtime or 'default'}",
        f"driver {host.driver_image}",
    )
    return ", ".join(filter(None, parts))
