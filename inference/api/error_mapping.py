"""Map the errors of a prediction to answers of the API."""

from inference.ct.geometry import PointOutsideScan
from inference.ct.reading.errors import InvalidImageFile
from inference.networks.answers import ModelFailed, ModelUnavailable, ServiceBusy, ServiceError, TimedOut
from lunasite.http.errors import ApiError

HTTP_STATUS: dict[type[ServiceError], int] = {
    ModelUnavailable: 503,
    ServiceBusy: 503,
    TimedOut: 504,
    ModelFailed: 422,
}
TOO_LARGE = ("FILE_TOO_LARGE",)
# A client should retry when a model is loading or has gone, but not immediately.
RETRY_LATER_S = 30


def answer_for(error: Exception) -> ApiError:
    """Return the API's answer for an error of the model service; an unknown error is re-raised and becomes a 500.

    Clients of earlier systems look for the words "Invalid image", and "Empty file" of the readers.
    """
    if isinstance(error, InvalidImageFile):
        status, code = (413, "FILE_TOO_LARGE") if error.code in TOO_LARGE else (400, "INVALID_FILE_FORMAT")
        return ApiError(status, code, f"Invalid image: {error.note}", field="file", reason=error.code)
    if isinstance(error, PointOutsideScan):
        return ApiError(400, "VALIDATION_ERROR", error.note, field="coordX", reason=error.code)
    if isinstance(error, ServiceError):
        return _service_answer(error)
    raise error


def _service_answer(error: ServiceError) -> ApiError:
    status = next((http for kind, http in HTTP_STATUS.items() if isinstance(error, kind)), 500)
    wait = error.retry_after_s if isinstance(error, ServiceBusy) else RETRY_LATER_S if status == 503 else None
    return ApiError(status, error.code, error.note, retry_after_s=wait)
