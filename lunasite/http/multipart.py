"""Explain errors of a multipart/form-data body in a sentence that states what to do."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.utils.http import parse_header_parameters

FORM = "application/x-www-form-urlencoded"
SHOWN_NAME = 40
# HTTP's names of compressions (RFC 9110, 8.4.1); anything else in the header, such as utf-8, changes no body.
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "compress", "br", "zstd"}
LARGE_TEXT = (
    "The text of the request is larger than this site takes. A part without a file name is text: "
    "give the file's part a file name, such as scan.mha."
)
NO_PART = (
    "The body holds no part that begins with the boundary in Content-Type: "
    "let your HTTP client set Content-Type itself, and send the body whole."
)
ONE_FILE = "Send one file: it is unclear which of them counts."
CUT_OFF = (
    "The body ends before its closing boundary (--, the boundary of Content-Type, --): it was cut off, or your client "
    "left that last line out. Send the body whole, with a Content-Length that counts all of it."
)
NOT_UTF8_NAME = (
    "The file's name is not UTF-8: send it under a name of plain letters, such as scan.mha; "
    "with curl, -F 'file=@NAME;filename=scan.mha'."
)


class FormTooLarge(RequestDataTooBig):
    """The files of a form are too large; Django raises the parent class for text that is too long."""


def compression(meta: Mapping[str, Any]) -> str:
    """Return how a request's body is compressed by its header Content-Encoding, or an empty text."""
    words = str(meta.get("HTTP_CONTENT_ENCODING", "")).split(",")
    return next((word for word in (text.strip().lower() for text in words) if word in COMPRESSIONS), "")


def compressed_body(name: str) -> str:
    return f"The body is compressed (Content-Encoding: {name}): send it uncompressed, without that header."


def malformed_body(content_type: str, why: str = "") -> str:
    """Return why a multipart body cannot be read: usually the client sets Content-Type by hand.

    why: what the parser says, which counts where it is one of the sentences above.
    """
    media_type = content_type.partition(";")[0]
    if media_type.strip().lower().startswith("multipart/") and not boundary(content_type):
        return "The boundary is missing: let your HTTP client set Content-Type itself."
    if why in (NO_PART, NOT_UTF8_NAME, CUT_OFF):
        return why
    return "The body is not valid multipart/form-data: let your HTTP client build it, and send it whole."


def boundary(content_type: str) -> str:
    """Return the boundary that a Content-Type names, or an empty text."""
    return str(parse_header_parameters(content_type)[1].get("boundary", ""))


def wrong_media_type(content_type: str, *, takes_json: bool) -> str:
    """Return what to send instead of a media type that the address does not accept."""
    if takes_json:
        how = "let Content-Type say which, and send a file as the part `file` of multipart/form-data."
        return f"This address takes multipart/form-data or application/json: {how}"
    if "json" in content_type.lower():
        how = "send the file as the part `file`, and let your HTTP client set Content-Type."
        return f"This address takes multipart/form-data, and Content-Type says JSON, which holds no file: {how}"
    return (
        "This address takes multipart/form-data, and the body is something else: send the file as the part `file`, "
        "with curl by -F file=@NAME."
    )


def missing_file(data: Any, content_type: str = "", *, wanted: str = "file", known: tuple[str, ...] = ()) -> str:
    """Return why a body has no file with the name `wanted`, and the remedy.

    data: the parsed body. known: other accepted names of file parts.
    """
    if content_type.startswith(FORM):
        return f"The body is {FORM}, which holds no file: send multipart/form-data with the file as `{wanted}`."
    if "json" in content_type.lower():
        return f"The body is JSON, which holds no file: send multipart/form-data with the file as `{wanted}`."
    sent = [name for name in data if is_file(data[name]) and name not in (wanted, *known)]
    if sent:
        return misnamed(sent[0], wanted)
    if isinstance(data.get(wanted), str):
        return (
            f"The part `{wanted}` holds text, not a file: with curl, write -F {wanted}=@NAME with the @; "
            "elsewhere give the part a file name, such as scan.mha."
        )
    return f"Send the file as the part `{wanted}`."


def misnamed(sent: str, wanted: str) -> str:
    """Return the remedy for a file that was sent under another name."""
    shown = "".join(letter for letter in sent[:SHOWN_NAME] if letter.isprintable() and letter != "`")
    return f"The file came as `{shown}`: name it `{wanted}`."


def sent_as_file(name: str) -> str:
    """Return the remedy for a plain field that was sent as a file."""
    return f"{name}: it came as a file; send it as a plain field, without a file name (curl: -F '{name}=<NAME')."


def is_file(value: Any) -> bool:
    return hasattr(value, "chunks")
