"""Sentences about files that are not a saved image; their commands work in every shell, also on Windows."""

from submissions.faults import ParticipantError

# Never with a pipe or `>`: Windows PowerShell converts piped bytes to UTF-16 text.
SAVE = "`docker save -o model.tar IMAGE`"
BUILD = "`docker build --platform linux/amd64 -t model .`"

CONTAINER_EXPORT = (
    "The archive is the file system of a container, as `docker export` writes it; it has no ENTRYPOINT and no "
    f"layers. Save the image instead: {SAVE}."
)
SOURCE_FOLDER = (
    "The archive is a source folder with a Dockerfile, not an image. Build the image with "
    f"{BUILD}, then save it with `docker save -o model.tar model`."
)
IMAGE_FOLDER = (
    "The archive is an image folder, as `podman save --format docker-dir` and skopeo's `dir:` write it. Save the image "
    "as one file: `podman save -o model.tar IMAGE`, or `skopeo copy dir:FOLDER docker-archive:model.tar`."
)
NO_MANIFEST = f"The archive holds no image: no manifest.json and no index.json. Make it with {SAVE}."
COMPRESSED_TWICE = "The file is compressed with gzip twice; decompress it once and send what comes out."
POWERSHELL = (
    "The file is UTF-16 text: Windows PowerShell changes every byte that passes through `>` or `|`. "
    f"Save the image again, without them: {SAVE}."
)
MANGLED = f"The file was changed into text by a shell's `>` or `|`. Save the image again, without them: {SAVE}."
SIF = (
    "The file is a Singularity or Apptainer image (.sif). Send the Docker image that it was made from: "
    f"{SAVE}, or build one whose Dockerfile starts with the same base."
)
ZIP = f"The file is a zip archive. If it holds the saved image, unpack it and send the .tar inside; else use {SAVE}."


def not_an_image(note: str) -> ParticipantError:
    """Return the error for a tar that holds no image."""
    return ParticipantError("IMAGE_NO_MANIFEST", note)


def not_an_archive(note: str) -> ParticipantError:
    """Return the error for a file that is not a tar at all."""
    return ParticipantError("UPLOAD_NOT_ARCHIVE", note)


def archive_inside(name: str) -> str:
    """Return the sentence about an archive inside an archive. name: as `shown` returns it."""
    return f"The archive holds another archive, {name}; unpack it once and send that file."


def compressed_with(compression: str) -> ParticipantError:
    """Return the error for a file in a compression other than gzip."""
    return ParticipantError(
        "COMPRESSION_NOT_SUPPORTED",
        f"The file is compressed with {compression}. Decompress it and send the .tar, or compress that with gzip.",
    )
