"""Errors of an uploaded image, each with a code of the failure table.

Codes are names of `submissions.failures`; all of them are the participant's fault. Trouble with our own disk stays an
OSError.
"""


class ArchiveError(Exception):
    """The upload is refused.

    code: a failure code, such as "IMAGE_LAYER_MISMATCH".
    note: one sentence for the participant; contains no path of ours and no digest.
    """

    def __init__(self, code: str, note: str) -> None:
        super().__init__(f"{code}: {note}")
        self.code = code
        self.note = note


def bad_manifest(note: str) -> ArchiveError:
    """Return an IMAGE_BAD_MANIFEST error."""
    return ArchiveError("IMAGE_BAD_MANIFEST", note)


class BrokenStream(ArchiveError):
    """A compressed stream is damaged or cut short."""

    def __init__(self) -> None:
        super().__init__(
            "ARCHIVE_CORRUPT", "A compressed stream is damaged or cut short. Save and upload the image again."
        )


def shown(name: str, most: int = 80) -> str:
    """Return `name` in a form safe for a note: printable ASCII, quoted, shortened."""
    text = ascii(name)
    return text if len(text) <= most else text[:most] + "…'"
