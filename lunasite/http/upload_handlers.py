"""The most a form may bring where no view takes more.

Reading a form, the CSRF check among others, would write files of any size to the disk first. Views that take scans or
images put a handler of their own in this one's place.
"""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

MAX_BYTES = 32 * 2**20


class MaxFormSizeUploadHandler(FileUploadHandler):
    """Counts what passes by; the handlers after it keep the files. Raises RequestDataTooBig."""

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
            raise RequestDataTooBig("the form is larger than any page takes")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received_bytes += len(raw_data)
        if self.received_bytes > MAX_BYTES:
            raise RequestDataTooBig("the form is larger than any page takes")
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
