"""Bring a submission's image from its registry into storage, once; later runs read it from there."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from submissions.faults import ParticipantError, PlatformError
from submissions.models import RegistryCredential, Submission
from submissions.registry.client import Credentials, RegistryClient
from submissions.registry.errors import RegistryUnavailable
from submissions.registry.pull import oci_archive, remote_image
from submissions.registry.reference import ImageReference, parse_reference
from submissions.storage import files as storage
from submissions.storage.base import Stored


def fetch_from_registry(submission: Submission, check: Callable[[], None]) -> None:
    """Store the image of `submission.image_reference`; the submission learns its key, size and sha256.

    check: called while fetching; may raise to stop. Raises ParticipantError, PlatformError, StorageError.
    """
    try:
        stored = _pull(submission, check)
    except RegistryUnavailable as error:
        raise PlatformError("SYSTEM_REGISTRY", str(error)) from error
    learnt = {"file": stored.key, "sha256": stored.sha256, "size_bytes": stored.size_bytes}
    if Submission.objects.filter(pk=submission.pk, file="").update(**learnt):
        submission.file, submission.sha256, submission.size_bytes = stored.key, stored.sha256, stored.size_bytes
        return
    storage.delete(stored.key)  # another attempt was first
    submission.refresh_from_db(fields=["file", "sha256", "size_bytes"])


def _pull(submission: Submission, check: Callable[[], None]) -> Stored:
    allowed = settings.IMAGE_REGISTRIES
    reference = parse_reference(submission.image_reference, allowed)
    client = RegistryClient(reference, allowed, _credentials(submission, reference), check)
    image = remote_image(client, reference, settings.MAX_IMAGE_BYTES)
    storage.store().check_room(image.size_bytes)
    return storage.stream_in(storage.new_key("image.tar"), oci_archive(client, image))


def _credentials(submission: Submission, reference: ImageReference) -> Credentials | None:
    stored = RegistryCredential.objects.filter(team=submission.team_id, host=reference.host).first()
    if stored is None:
        return None
    if stored.password is None:
        raise ParticipantError("REGISTRY_DENIED", "The stored password can no longer be read; enter it again.")
    return Credentials(stored.username, stored.password)
