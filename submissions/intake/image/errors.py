"""Errors of an uploaded image, each with a code of the failure table.

All of them are the participant's fault. Trouble with our own disk stays an OSError.
"""

from submissions.faults import ParticipantError


def bad_manifest(note: str) -> ParticipantError:
    """Return an IMAGE_BAD_MANIFEST error."""
    return ParticipantError("IMAGE_BAD_MANIFEST", note)


class BrokenStream(ParticipantError):
    """A compressed stream is damaged or cut short."""

    def __init__(self) -> None:
        super().__init__(
            "ARCHIVE_CORRUPT", "A compressed stream is damaged or cut short. Save and upload the image again."
        )


def shown(name: str, most: int = 80) -> str:
    """Return `name` in a form safe for a note: printable ASCII, quoted, shortened."""
    text = ascii(name)
    return text if len(text) <= most else text[:most] + "…'"
