"""Split a MetaImage header into lines: keep the few fields that are used, and ignore the rest.

Unused lines are limited (64 KiB in all) but not checked: unknown keys, blank lines, text without '=', values of
any bytes except a line feed. A used field may be repeated, under one name or two, as long as the values agree.
"""

import re
from collections.abc import Callable

from .errors import InvalidImageFile
from .file_formats import foreign_format

MAX_HEADER_BYTES = 64 * 1024

SYNONYMS = {
    "Position": "Offset",
    "Origin": "Offset",
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}
NUMBER_LISTS = {"DimSize", "Offset", "TransformMatrix", "ElementSpacing", "ElementSize"}
NUMBERS = {
    "NDims", "CompressedDataSize", "ElementNumberOfChannels", "HeaderSize",
    "ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset", *NUMBER_LISTS,
}  # fmt: skip
FLAGS = {"BinaryData", "BinaryDataByteOrderMSB", "CompressedData"}
USED_KEYS = {"ObjectType", "ElementType", "ElementDataFile", *NUMBERS, *FLAGS, *SYNONYMS}
# MetaIO ends a key at the first of the two or at a NUL, and starts one after a carriage return.
SEPARATOR = re.compile(rb"[=:]")
SHORT_HEAD = 256
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def split_fields(head: bytes) -> tuple[dict[str, str], int]:
    """Return the used fields under their first names, and the header's length in bytes.

    head: the first MAX_HEADER_BYTES of the file, or all of it if it is shorter.
    Raises InvalidImageFile with HEADER_FORMAT or HEADER_DIMS.
    """
    fields: dict[str, str] = {}
    position = len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0
    while position < len(head):
        end = head.find(b"\n", position, MAX_HEADER_BYTES)
        if end < 0:
            end = _end_of_last_line(head, fields)
        key, value = _field(head[position:end])
        position = min(end + 1, len(head))
        if key in USED_KEYS:
            _add_field(fields, key, value)
        if key == "ElementDataFile":
            return fields, position
    raise _without_end(head, fields)


def _end_of_last_line(head: bytes, fields: dict[str, str]) -> int:
    """Return the end of a .mhd that was written without a last line feed."""
    if len(head) >= MAX_HEADER_BYTES:
        raise _without_end(head, fields)
    return len(head)


def _field(line: bytes) -> tuple[str, str]:
    """Return key and value; a line without a key, or whose key is not ASCII, gets a key that nothing uses."""
    separator = SEPARATOR.search(line)
    if separator is None:
        return "", ""
    key = line[: separator.start()].rstrip(b"\t\r ").rpartition(b"\r")[2].partition(b"\0")[0].lstrip()
    value = line[separator.end() :].strip()
    return key.decode("latin-1"), value.decode("latin-1").replace("\t", " ")


def _add_field(fields: dict[str, str], key: str, value: str) -> None:
    name = SYNONYMS.get(key, key)
    if key != "ElementDataFile" and not (value.isascii() and value.isprintable()):
        raise InvalidImageFile(
            "HEADER_FORMAT", f"The value of {key} holds other characters than plain ASCII text: correct it."
        )
    if name in NUMBER_LISTS and "NDims" not in fields:
        raise InvalidImageFile("HEADER_DIMS", f"The header gives {key} before NDims: write NDims = 3 first.")
    if name not in fields:
        fields[name] = value
    elif not _agree(name, fields[name], value):
        names = name if key == name else f"{name} and {key}"
        again = "twice with different values" if key == name else "with different values, though they mean the same"
        raise InvalidImageFile("HEADER_FORMAT", f"The header gives {names} {again}: keep the right one.")


def _agree(name: str, first: str, second: str) -> bool:
    """Return whether two texts mean the same value."""
    meaning: Callable[[str], object] = str.split
    if name in FLAGS:
        meaning = flag
    elif name in NUMBERS:
        meaning = _numbers
    return first == second or (meaning(first) is not None and meaning(first) == meaning(second))


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        return None


def flag(text: str) -> bool | None:
    """Return the boolean that True, False, T, F, 1 or 0 means, in any case; None for any other text."""
    return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}.get(text.lower())


def _without_end(head: bytes, fields: dict[str, str]) -> InvalidImageFile:
    """Return the error for a file without a line ElementDataFile, as precise as its bytes allow."""
    if not head.strip(BYTE_ORDER_MARK + b" \t\r\n"):
        return InvalidImageFile("HEADER_FORMAT", "Empty file: there is no scan in it; choose it again.")
    if fields:
        note = "The header has no line ElementDataFile in its first 64 KiB: end it with 'ElementDataFile = LOCAL'."
        return InvalidImageFile("HEADER_FORMAT", note)
    if b"\0" in head[:4] and b"ObjectType" in head[:SHORT_HEAD].replace(b"\0", b""):
        note = "The header is UTF-16, as Notepad and PowerShell may write text: save it as plain ASCII text."
        return InvalidImageFile("HEADER_FORMAT", note)
    if foreign := foreign_format(head):
        return InvalidImageFile("HEADER_FORMAT", f"This is {foreign.name}, not a MetaImage file: {foreign.to_scan}")
    note = "This is not a MetaImage file: its first line must read 'ObjectType = Image'; save the scan as .mha."
    return InvalidImageFile("HEADER_FORMAT", note)
