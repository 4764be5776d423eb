"""Small MetaImage files, mostly broken in up to four ways, for the fuzzer."""

import itertools
import random
import zlib

import numpy as np

from inference.ct.reading.header import NUMBER_TYPES
from inference.tests.metaimages import fields_of

TOKENS = [
    "", "0", "1", "-1", "2", "3", "4", "4096", "4097", "65536", "4294967296", "99999999999999999999",
    "1e3", "1e300",
    "1e-300", "nan", "inf", "-inf", "0x10", "1_0", "٣", "True", "False", "true", "T", "Yes", "LOCAL", "LIST",
    "/etc/passwd", "../x.raw", "x.raw", "%d", "MET_SHORT", "MET_USHORT", "MET_CHAR", "MET_UCHAR",
    "MET_INT", "MET_FLOAT",
    "MET_DOUBLE", "MET_LONG", "MET_LONG_LONG", "MET_STRING", "1 1 1", "0 0 0", "1 2 3", "3 4 5",
    "1 0 0 0 1 0 0 0 1",
    "0 1 0 1 0 0 0 0 1", "0 1 0 0 0 1 1 0 0", "-1 0 0 0 -1 0 0 0 1", "RAI", "A" * 300, "\x00", "\t", "=", "#",
]  # fmt: skip
EXTRA_KEYS = [
    "HeaderSize", "ElementNumberOfChannels", "Position", "Origin", "Rotation", "Orientation",
    "ElementSize", "Comment",
    "ElementByteOrderMSB", "ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset", "ITK_x",
    "0008|0060",
    "CompressedDataSize", "Modality", "NDims", "dimsize", "ElementDataFile", "Unknown", "TransformMatrix",
    "Color", "SequenceID", "ElementMin", "CenterOfRotation", "HeaderSize", "CompressedData", "BinaryData",
]  # fmt: skip
# Each says what the header says already, in another of its words.
SAID_AGAIN = {
    "Offset": ("Offset", "Position", "Origin"),
    "TransformMatrix": ("TransformMatrix", "Rotation", "Orientation"),
    "BinaryDataByteOrderMSB": ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"),
    **{
        key: (key,)
        for key in ("ObjectType", "DimSize", "ElementType", "ElementSpacing", "CompressedData", "BinaryData")
    },
}
OTHER_SPELLINGS = {
    "True": ("true", "T", "1", "t"), "False": ("false", "F", "0", "f"), "LOCAL": ("Local", "local"),
    "MET_INT": ("MET_LONG",), "MET_UINT": ("MET_ULONG",),
}  # fmt: skip


def random_file(rng: random.Random) -> bytes:
    """Return a small scan, mostly broken in up to four ways."""
    shape = (rng.randint(1, 5), rng.randint(1, 6), rng.randint(1, 6))
    code = rng.choice(list(NUMBER_TYPES.values()))
    dtype = np.dtype(rng.choice("<>") + code)
    array = (np.random.default_rng(rng.getrandbits(32)).normal(0, 400, shape)).astype("f8")
    array = np.clip(array, 0 if dtype.kind == "u" else -120, 120).astype(dtype)
    fields = fields_of(array, BinaryDataByteOrderMSB=dtype.byteorder == ">")
    data = array.tobytes()
    if rng.random() < 0.5:
        data = zlib.compress(data, rng.randint(0, 9))
        fields["CompressedData"] = "True"
        if rng.random() < 0.9:
            fields["CompressedDataSize"] = str(len(data))
    lines = [(key, value) for key, value in fields.items() if key != "ElementDataFile"]
    lines.append(("ElementDataFile", "LOCAL"))
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 4])):
        lines, data = rng.choice(MUTATIONS)(rng, lines, data)
    newline = rng.choice(["\n"] * 8 + ["\r\n", "\r"])
    equals = rng.choice([" = "] * 8 + ["=", " : ", "  =\t"])
    head = "".join(f"{key}{equals}{value}{newline}" if key else f"{value}{newline}" for key, value in lines)
    content = head.encode("utf-8", "surrogateescape") + data
    return flip_bytes(rng, content) if rng.random() < 0.15 else content


Lines = list[tuple[str, str]]  # (key, value); a line without a key stands as it is


def change_value(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    lines = list(lines)
    at = rng.randrange(len(lines)) if lines else 0
    if lines:
        lines[at] = (lines[at][0], rng.choice(TOKENS))
    return lines, data


def change_word(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    lines = list(lines)
    if lines:
        at = rng.randrange(len(lines))
        words = lines[at][1].split(" ")
        words[rng.randrange(len(words))] = rng.choice(TOKENS)
        lines[at] = (lines[at][0], " ".join(words))
    return lines, data


def drop_line(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    return [line for at, line in enumerate(lines) if at != rng.randrange(len(lines) or 1)], data


def add_line(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    known = [key for key, _ in lines]
    extra = (rng.choice(EXTRA_KEYS + known), rng.choice(TOKENS))
    at = rng.randint(0, max(len(lines) - 1, 0))
    return [*lines[:at], extra, *lines[at:]], data


def shuffle_lines(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    first = lines[:-1]
    rng.shuffle(first)
    return first + lines[-1:], data


def rotate_axes(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    axes = np.eye(3)[list(rng.choice(list(itertools.permutations(range(3)))))] * rng.choice([1, -1])
    if rng.random() < 0.5:
        angle = rng.uniform(0, 6)
        turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        axes = axes @ np.array(turn)
    text = " ".join(f"{value:.{rng.randint(2, 12)}g}" for value in axes.ravel())
    return [(key, text if key == "TransformMatrix" else value) for key, value in lines], data


def cut_data(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    return lines, data[: rng.randint(0, len(data))]


def add_data(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    return lines, data + rng.randbytes(rng.randint(1, 20))


def add_noise_line(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    """Add a line that nobody uses: text without '=', or bytes of any kind behind a key of any kind."""
    noise = rng.randbytes(rng.randint(0, 40)).replace(b"\n", b"").decode("utf-8", "surrogateescape")
    key = rng.choice(["", "", "Comment", "ITK_FileNotes", "0008|0060", "x:y", "caf\u00e9", noise[:8].replace("=", "")])
    at = rng.randint(0, max(len(lines) - 1, 0))
    return [*lines[:at], (key, rng.choice([noise, "", "   ", "two words"])), *lines[at:]], data


def say_again(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    """Repeat what the header says, under the same name or another."""
    known = [(at, key, value) for at, (key, value) in enumerate(lines) if key in SAID_AGAIN]
    if not known:
        return lines, data
    at, key, value = rng.choice(known)
    return [*lines[: at + 1], (rng.choice(SAID_AGAIN[key]), value), *lines[at + 1 :]], data


def spell_otherwise(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    return [(key, rng.choice(OTHER_SPELLINGS.get(value, (value,)))) for key, value in lines], data


def pad_data(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    return lines, data + rng.choice([b"\0", b"\n", b" ", b"\x1a"]) * rng.choice([1, 2, 100, 511, 5000])


def damage_data(rng: random.Random, lines: Lines, data: bytes) -> tuple[Lines, bytes]:
    return lines, flip_bytes(rng, data)


MUTATIONS = [
    change_value, change_word, drop_line, add_line, shuffle_lines, rotate_axes, cut_data, add_data,
    damage_data, add_noise_line, add_noise_line, say_again, spell_otherwise, pad_data,
]  # fmt: skip


def flip_bytes(rng: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if damaged:
            damaged[rng.randrange(len(damaged))] = rng.getrandbits(8)
    return bytes(damaged)
