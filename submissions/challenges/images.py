"""Pictures for the texts of a challenge: decoded, encoded anew without metadata, and served from this site."""

from __future__ import annotations

import hashlib
import io
import warnings
from typing import Any

from django.db import transaction
from PIL import ExifTags, Image, UnidentifiedImageError

from lunasite.http.errors import ApiError
from submissions.models import Challenge, ChallengeImage
from submissions.models.audit import record
from submissions.storage.files import store
from submissions.text.sanitize import sanitize_filename

MAX_BYTES = 2 * 2**20
MAX_SIDE = 4096
MAX_IMAGES = 50
SHOWN_SIDE = 1600
# What a reader's program does for each orientation of EXIF; once the metadata is gone, none would.
UPRIGHT: dict[Any, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
NOT_AN_IMAGE = "This is not a PNG or JPEG picture of at most 4096 × 4096 pixels and 2 MB."


def add_image(*, challenge: Challenge, data: bytes, name: str, user: Any, is_logo: bool = False) -> ChallengeImage:
    """Store a picture; the same picture again is kept once. Raises ApiError (400) for what is no picture of ours."""
    encoded, ending, size = _encoded(data)
    kept = f"{hashlib.sha256(encoded).hexdigest()[:32]}.{ending}"
    with transaction.atomic():
        Challenge.objects.select_for_update().get(pk=challenge.pk)
        if challenge.images.exclude(name=kept).count() >= MAX_IMAGES:
            raise ApiError(409, "TOO_MANY_IMAGES", f"A challenge keeps at most {MAX_IMAGES} pictures; delete one.")
        image, is_new = ChallengeImage.objects.get_or_create(
            challenge=challenge, name=kept,
            defaults={
                "original_name": sanitize_filename(name)[:120], "width": size[0], "height": size[1],
                "size_bytes": len(encoded), "uploaded_by": user,
            },
        )  # fmt: skip
        if is_logo:
            challenge.images.update(is_logo=False)
            ChallengeImage.objects.filter(pk=image.pk).update(is_logo=True)
        if is_new:
            _write(image.key, encoded)
            record(user, "upload", image)
    return image


def _encoded(data: bytes) -> tuple[bytes, str, tuple[int, int]]:
    if len(data) > MAX_BYTES:
        raise ApiError(400, "INVALID_IMAGE", NOT_AN_IMAGE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
                if max(picture.size) > MAX_SIDE:
                    raise ApiError(400, "INVALID_IMAGE", NOT_AN_IMAGE)
                return _saved(picture)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Warning, Image.DecompressionBombError) as error:
        raise ApiError(400, "INVALID_IMAGE", NOT_AN_IMAGE) from error


def _saved(picture: Image.Image) -> tuple[bytes, str, tuple[int, int]]:
    is_jpeg = picture.format == "JPEG"
    turn = UPRIGHT.get(picture.getexif().get(ExifTags.Base.Orientation))
    fresh = _of_eight_bits(picture).convert("RGB" if is_jpeg else "RGBA")
    fresh = fresh if turn is None else fresh.transpose(turn)
    fresh.info.clear()
    fresh.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    file = io.BytesIO()
    if is_jpeg:
        fresh.save(file, "JPEG", quality=88, optimize=True)
    else:
        fresh.save(file, "PNG", optimize=True)
    return file.getvalue(), "jpg" if is_jpeg else "png", fresh.size


def _of_eight_bits(picture: Image.Image) -> Image.Image:
    """Scale greys of sixteen bits, as scans have, which a mere conversion cuts off at 255."""
    if not picture.mode.startswith("I"):
        return picture
    return picture.convert("I").point(lambda grey: grey * (1 / 257)).convert("L")


def _write(key: str, data: bytes) -> None:
    writer = store().writer(key)
    try:
        writer.write(data)
        writer.finish()
    finally:
        writer.abort()


def read_image(image: ChallengeImage) -> bytes:
    """Return the stored bytes. Raises StorageError."""
    with store().pieces(image.key) as pieces:
        return b"".join(pieces)


def remove_image(*, image: ChallengeImage, user: Any) -> None:
    with transaction.atomic():
        record(user, "delete", image)
        image.delete()
        transaction.on_commit(lambda: store().delete(image.key), robust=True)
