"""A prediction call turned down, with the code and the sentence its answer carries."""

from typing import Any

from rest_framework.exceptions import APIException


class ApiError(APIException):
    """An answer with our own code: `raise ApiError(413, "FILE_TOO_LARGE", "Sentence.", field="file")`."""

    def __init__(
        self,
        status_code: int,
        error_code: str,
        message: str,
        *,
        retry_after_s: float | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, error_code)
        self.status_code = status_code
        self.error_code = error_code
        self.details = details
        self.wait = retry_after_s
