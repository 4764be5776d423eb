"""Recognise binary files that a program read, or a transfer sent, as text, which changes their bytes."""

import codecs

TEXT_NOTE = (
    "Its bytes were changed because it was read or sent as text: open it as binary ('rb' in Python, an ArrayBuffer in "
    "JavaScript), and transfer it in binary mode."
)
LEAST_LINES = 8
# The signatures of PNG and JPEG after each change: as UTF-8 by way of Latin-1 or with replacement characters, and
# with other line ends.
CHANGED_PICTURES = (
    b"\xc2\x89PNG", b"\xef\xbf\xbdPNG", b"\x89PNG\r\r\n", b"\x89PNG\n\x1a\n", b"\xc3\xbf\xc3\x98\xc3\xbf",
    b"\xef\xbf\xbd" * 3,
)  # fmt: skip


def changed_voxels(sample: bytes) -> bool:
    """Return whether bytes of voxels, 64 KiB or so, are valid UTF-8 beyond ASCII, or have only line ends of CR LF.

    Numbers of two bytes and more, and compressed ones, are neither unless something made them so.
    """
    ends = sample.count(b"\n")
    return _is_utf8_beyond_ascii(sample) or (ends >= LEAST_LINES and sample.count(b"\r\n") == ends)


def changed_picture(head: bytes) -> bool:
    """Return whether a file begins like a PNG or JPEG whose bytes were changed."""
    return head.startswith(CHANGED_PICTURES)


def _is_utf8_beyond_ascii(sample: bytes) -> bool:
    """Return whether a sample, whose last character may be cut off, is UTF-8 and more than ASCII."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return not text.isascii()
