"""Small files to send, good and bad."""

import io
import zlib

import numpy as np
from PIL import Image

HEADER = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "0 0 0",
    "ElementSpacing": "1 1 1",
    "DimSize": "8 8 8",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
VOXELS = np.arange(512, dtype="<i2").tobytes()


def mha(data: bytes = VOXELS, **changes: str | None) -> bytes:
    """Return a MetaImage file of 8 x 8 x 8 voxels; a change to None leaves a line out."""
    lines = {**HEADER, **changes}
    last = lines.pop("ElementDataFile")
    text = "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None)
    return (text + (f"ElementDataFile = {last}\n" if last is not None else "")).encode() + data


def zlib_mha(data: bytes | None = None, **changes: str | None) -> bytes:
    return mha(zlib.compress(VOXELS) if data is None else data, CompressedData="True", **changes)


def picture(size: tuple[int, int] = (64, 48), mode: str = "L", kind: str = "PNG") -> bytes:
    """Return a picture with a gradient, so that its statistics differ."""
    width, height = size
    grey = np.add.outer(np.arange(height), np.arange(width)) * 255 // (width + height)
    return encoded(Image.fromarray(grey.astype(np.uint8)).convert(mode), kind)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    image.save(target, format=kind)
    return target.getvalue()
