# ruff: noqa: E501 — a table: one failure a line
"""The one table of failures: sentence, stage, whose fault, and whether the try counts.

The platform decides the code, never the container. docs/participant-guide.md is generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from lunasite.http.files.sizes import size_in_words

PARTICIPANT = "participant"
OURS = "platform"


@dataclass(frozen=True)
class Failure:
    """`sentence` tells a participant what happened and what to change; `counts` says whether the try is spent."""

    code: str
    stage: str
    fault: str
    counts: bool
    sentence: str

    @property
    def happened(self) -> str:
        """What happened, without the remedy: to be said where the diagnosis of a trial names the right one."""
        return self.sentence.partition(";")[0].rstrip(".") + "."

    @property
    def is_ours(self) -> bool:
        return self.fault == OURS


def _table(stage: str, fault: str, counts: bool, sentences: dict[str, str]) -> dict[str, Failure]:
    return {code: Failure(code, stage, fault, counts, text) for code, text in sentences.items()}


FAILURES: dict[str, Failure] = {
    **_table(
        "upload",
        PARTICIPANT,
        False,
        {
            "UPLOAD_EMPTY": "Empty file: choose the file again and send it.",
            "UPLOAD_TOO_LARGE": "The file is larger than this phase takes; send a smaller image.",
            "UPLOAD_NOT_ARCHIVE": "The file is not a tar archive; make it with 'docker save -o model.tar IMAGE'.",
            "IMAGE_REFERENCE": "The image's name cannot be used; write host/name@sha256:… with a registry this site allows.",
            "REGISTRY_NOT_FOUND": "The registry has no such image; check the name and the digest, and that it was pushed.",
            "REGISTRY_DENIED": "The registry does not let us in; enter your team's user name and password on the team page.",
            "REGISTRY_NOT_ALLOWED": "The registry sends to a host that this site does not allow; upload the image instead.",
            "REGISTRY_BAD_ANSWER": "The registry's answer cannot be used; push the image again, or upload it.",
            "UPLOAD_INCOMPLETE": "Some parts of the upload never arrived; resume it, or send the file again.",
        },
    ),
    **_table(
        "intake",
        PARTICIPANT,
        False,
        {
            "ARCHIVE_CORRUPT": "The archive is cut short or damaged; save the image again and compare its checksum.",
            "ARCHIVE_BOMB": "The archive expands to far more than its size suggests; save the image without padding files.",
            "ARCHIVE_TOO_MANY_MEMBERS": "The archive has too many members; send exactly what 'docker save' writes.",
            "ARCHIVE_BAD_MEMBER": "The archive holds a link or device that no saved image has; send what 'docker save' writes.",
            "ARCHIVE_DUPLICATE_MEMBER": "The archive names a member twice; send exactly what 'docker save' writes.",
            "ARCHIVE_BAD_NAME": "The archive holds a member with a forbidden name; send exactly what 'docker save' writes.",
            "COMPRESSION_NOT_SUPPORTED": "The file, or a layer in it, has a compression that is not read here; 'docker load' the image and save it with 'docker save -o model.tar IMAGE'.",
            "EXTENSION_MISMATCH": "The file's ending and its content differ; name it .tar or .tar.gz as it is.",
            "IMAGE_NO_MANIFEST": "The archive holds no image; make it with 'docker save -o model.tar IMAGE' (not 'docker export', not a source folder).",
            "IMAGE_BAD_MANIFEST": "The image's manifest cannot be used; save the image again with 'docker save'.",
            "IMAGE_BAD_CONFIG": "The image's configuration cannot be used; build and save the image again.",
            "IMAGE_COUNT": "The archive must hold exactly one image for linux/amd64; save it alone.",
            "IMAGE_LAYER_MISMATCH": "A layer's content does not match its digest; save the image again.",
            "IMAGE_TOO_MANY_LAYERS": "The image has more than 127 layers; merge some RUN lines of its Dockerfile.",
            "IMAGE_TOO_LARGE": "The unpacked image is larger than this site takes; make the image smaller.",
            "IMAGE_ARCHITECTURE": "The image is not built for linux/amd64; build it with '--platform linux/amd64'.",
            "IMAGE_NO_COMMAND": "The image has neither ENTRYPOINT nor CMD; add one to its Dockerfile.",
            "IMAGE_BAD_VOLUME": "The image declares too many volumes, or one at a system folder; remove it from the Dockerfile.",
            "MODEL_ARCHIVE": "The model archive cannot be used; make it with 'tar -czf model.tar.gz -C FOLDER .'.",
            "IMAGE_FORBIDDEN_ENV": "The image sets an environment variable that is not allowed (LD_*); remove it, or set it to nothing ('ENV LD_PRELOAD=').",
        },
    ),
    **_table(
        "check",
        PARTICIPANT,
        False,
        {
            "CSV_EMPTY": "The file has no rows; fill in the template.",
            "CSV_COLUMNS": "A needed column is missing or given twice; compare the header with the template.",
            "CSV_IDS": "The ids are not exactly the phase's, each once; compare them with the template.",
            "CSV_VALUE": "A value is missing or is not a number between 0 and 1; correct it.",
            "CSV_ENCODING": "The file is not UTF-8 text; save it as UTF-8.",
            "CSV_FORMAT": "A line cannot be read as comma-separated values; correct the line.",
            "CSV_TOO_MANY_ROWS": "The file has far more rows than the phase has cases; send one row a case.",
            "CSV_TOO_LARGE": f"The file is larger than {size_in_words(settings.MAX_CSV_BYTES)}; send one row a case and only the needed columns.",
        },
    ),
    **_table(
        "start",
        PARTICIPANT,
        True,
        {
            "CONTAINER_START": "The container's program did not start; check its ENTRYPOINT, CMD and architecture.",
            "NOT_READY": "The container answered nothing on its port in time; listen on 0.0.0.0 and load the model faster.",
        },
    ),
    **_table(
        "run",
        PARTICIPANT,
        True,
        {
            "CONTAINER_EXITED": "The container ended before all cases were answered; remember that only its own folders and /tmp are writable, and that there is no network.",
            "PREDICT_TIMEOUT": "One prediction took longer than allowed; make the model faster.",
            "TIMEOUT": "The whole run took longer than allowed; make the model faster.",
            "OUT_OF_MEMORY": "The container needed more memory than allowed; use less.",
            "DISK_LIMIT": "The container filled the space it may write to; write less to /tmp and its own folders.",
            "BAD_RESPONSE": "The container did not answer a prediction call with HTTP 200 and a complete body.",
            "RESPONSE_HEADERS_TOO_LARGE": "The headers of an answer were larger than 64 KiB; send fewer or shorter ones.",
            "RESPONSE_TOO_LARGE": "An answer was larger than 1 MiB; answer with the prediction only.",
            "BAD_PREDICTION": "An answer held no finite number in [0, 1] at the agreed place.",
            "OUTPUT_MISSING": "The container ended without writing its output file.",
            "OUTPUT_NOT_REGULAR": "The output is a link or folder; write a regular file.",
            "OUTPUT_TOO_LARGE": "The output is larger than allowed; write the predictions only.",
            "OUTPUT_SCHEMA": "The output file does not have the agreed form; compare it with the participant guide.",
        },
    ),
    **_table(
        "platform",
        OURS,
        False,
        {
            "SYSTEM_ENGINE": "Our container engine had a problem; the try was given back and staff were told.",
            "SYSTEM_STORAGE": "Our file storage had a problem; the try was given back and staff were told.",
            "SYSTEM_REGISTRY": "The image's registry could not be reached; the try was given back and staff were told.",
            "SYSTEM_DISK": "Our disk is full; the try was given back and staff were told.",
            "SYSTEM_DATASET": "This phase's data have a problem; the try was given back and staff were told.",
            "SYSTEM_METRIC": "Our scoring had a problem; the try was given back and staff were told.",
            "SYSTEM_ERROR": "Our evaluation code had a problem; the try was given back and staff were told.",
            "SYSTEM_WORKER_LOST": "Our worker was lost several times; the try was given back and staff were told.",
        },
    ),
}
