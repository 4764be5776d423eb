"""The call log: one call of a prediction endpoint while it runs, and the log line it leaves."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from inference import prometheus
from inference.models import Prediction
from inference.networks.answers import LesionAnswer, SliceAnswer
from lunasite.http.client_address import client_network

log = structlog.get_logger(__name__)


def caller_of(request: Any) -> str:
    """Return the caller's identity for rate limits: the user's number, or a keyed digest of the address."""
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    address = client_network(request)
    return f"address:{salted_hmac('inference.caller', address).hexdigest()[:32]}"


@dataclass
class CallRecord:
    """The facts of a call so far; `save` writes them once the answer is known."""

    endpoint: Prediction.Endpoint
    caller: str
    user: Any = None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.monotonic)
    items: int = 1
    model_version: str = ""
    statistics: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: HttpRequest | Any, endpoint: Prediction.Endpoint) -> "CallRecord":
        user = None if isinstance(request.user, AnonymousUser) else request.user
        return cls(endpoint, caller_of(request), user)

    @property
    def milliseconds(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    def answered(self, answer: LesionAnswer | SliceAnswer) -> None:
        self.model_version = answer.model_version
        statistics = answer.statistics
        self.statistics = statistics if isinstance(statistics, dict) else vars(statistics).copy()
        self.warnings = sorted({*self.warnings, *answer.warnings})
        prometheus.observe_warnings(self.endpoint, answer.warnings)

    def save(self, status: int, error_code: str = "", reason: str = "") -> None:
        """Write the log line and count the call; a failure to write the log does not affect the answer."""
        prometheus.observe(self.endpoint, status, self.milliseconds / 1000, self.model_version)
        try:
            with transaction.atomic():
                Prediction.objects.create(
                    request_id=self.request_id,
                    user=self.user,
                    caller=self.caller,
                    endpoint=self.endpoint,
                    status=status,
                    error_code=error_code[:40],
                    reason=reason[:40],
                    milliseconds=self.milliseconds,
                    items=self.items,
                    model_version=self.model_version[:80],
                    statistics=self.statistics,
                    warnings=self.warnings,
                )
        except DatabaseError as error:
            log.warning("prediction not logged", request_id=self.request_id, error=type(error).__name__)
