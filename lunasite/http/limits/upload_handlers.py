"""Default upload limit for forms of views that set no limit of their own.

Without it, reading a form (for example by the CSRF check) would write files of any size to the disk. Views that take
scans or images replace this handler by another.
"""

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler

from lunasite.http.multipart import FormTooLarge

MAX_BYTES = 32 * 2**20


class MaxFormSizeUploadHandler(FileUploadHandler):
    """Count the bytes that pass; the handlers after it store the files. Raises FormTooLarge."""

    received_bytes = 0

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803  Django's name
        content_length: int,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if content_length > MAX_BYTES:
            raise FormTooLarge("the form is larger than any page takes")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received_bytes += len(raw_data)
        if self.received_bytes > MAX_BYTES:
            raise FormTooLarge("the form is larger than any page takes")
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
