"""Explain errors of a multipart/form-data body in a sentence that states what to do."""

from typing import Any

FORM = "application/x-www-form-urlencoded"
SHOWN_NAME = 40


def malformed_body(content_type: str) -> str:
    """Return why a multipart body cannot be read: usually the client sets Content-Type by hand."""
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower().startswith("multipart/") and not _boundary(parameters):
        return "The boundary is missing: let your HTTP client set Content-Type itself."
    return "The body is not valid multipart/form-data: let your HTTP client build it, and send it whole."


def _boundary(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "boundary":
            return value.strip().strip('"')
    return ""


def wrong_media_type(content_type: str, *, takes_json: bool) -> str:
    """Return what to send instead of a media type that the address does not accept."""
    if takes_json:
        how = "send a file as the part `file` of multipart/form-data."
        return f"This address takes multipart/form-data or application/json: {how}"
    sent = "JSON, which holds no file" if "json" in content_type.lower() else "something else"
    return f"This address takes multipart/form-data, and the body is {sent}: send the file as the part `file`."


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
        return f"The part `{wanted}` holds text, not a file: with curl, write -F {wanted}=@NAME with the @."
    return f"Send the file as the part `{wanted}`."


def misnamed(sent: str, wanted: str) -> str:
    """Return the remedy for a file that was sent under another name."""
    shown = "".join(letter for letter in sent[:SHOWN_NAME] if letter.isprintable() and letter != "`")
    return f"The file came as `{shown}`: name it `{wanted}`."


def is_file(value: Any) -> bool:
    return hasattr(value, "chunks")
