"""What a job does to the store: unpack an image with the owners that containers have, and take away what is trash."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from pathlib import Path

from submissions.runner.base import ContainerFault, EngineFault, RunError
from submissions.runner.cluster.rooted import ID_SHIFT
from submissions.runner.cluster.runc_spec import IDS
from submissions.runner.cluster.store import bundle_of, inspected
from submissions.runner.engine.errors import load_error

UNPACK_S = 3600


def unpack(store: Path, layout: Path, image_id: str) -> None:
    """Make the bundle of an image of a layout, once. Raises ContainerFault, EngineFault."""
    target = bundle_of(store, image_id)
    if target.is_dir():
        return
    try:
        facts = inspected(layout, image_id)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        note = "A value in the image's config has the wrong type. Build the image with docker build."
        raise ContainerFault("IMAGE_BAD_CONFIG", note, staff_detail=str(error)) from error
    part = target.with_name(f".part-{secrets.token_hex(6)}")
    part.mkdir()
    mapping = f"0:{ID_SHIFT}:{IDS}"
    try:
        done = subprocess.run(
            ["umoci", "raw", "unpack", "--image", f"{layout}:image", "--uid-map", mapping, "--gid-map", mapping,
             str(part / "rootfs")],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=UNPACK_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise _fault((done.stderr or done.stdout)[-2000:])
        (part / "image.json").write_text(json.dumps(facts))
        for path in (part, part / "rootfs"):
            path.chmod(0o755)
        part.rename(target)
    except OSError as error:
        if not target.is_dir():
            raise EngineFault("The image could not be unpacked.", staff_detail=str(error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fault(said: str) -> RunError:
    if "chown" in said and "invalid argument" in said:
        note = (
            f"A file of the image belongs to a user or group above {IDS - 1:,}. Give it to another in the Dockerfile."
        )
        return ContainerFault("ARCHIVE_CORRUPT", note, staff_detail=said)
    return load_error(said)


def empty_trash(store: Path) -> None:
    """Remove what was thrown away: only in a job's user namespace are the owners of its files ours."""
    for place in (store / "trash").iterdir():
        shutil.rmtree(place, ignore_errors=True)


__all__ = ["empty_trash", "unpack"]
