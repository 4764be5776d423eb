"""Maintenance mode: pages can be read, and whatever would change something answers 503 with a sentence."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from lunasite.http.errors import body, is_api
from lunasite.http.page_cache.views import depends_on
from submissions.models import Pause
from submissions.outages.pauses import recent_maintenance

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
# Staff end the maintenance in the admin, and must be able to sign in for that; probes ask no database.
STAYS_OPEN = (
    "/live", "/health", "/ready", "/metrics", "/status", "/admin/", "/accounts/login", "/accounts/logout",
    "/accounts/2fa", "/accounts/reauthenticate",
)  # fmt: skip
RETRY_AFTER_S = "300"


def notice() -> str | None:
    """Return what every page says of a maintenance: its reason, which may be empty; None without one."""
    pause = recent_maintenance()
    return None if pause is None else pause.reason


depends_on(notice)


class MaintenanceMiddleware:
    """Refuse unsafe requests during maintenance."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE or request.path.startswith(STAYS_OPEN):
            return self.get_response(request)
        pause = recent_maintenance()
        return self.get_response(request) if pause is None else refusal(request, pause)


def refusal(request: HttpRequest, pause: Pause) -> HttpResponse:
    reason = f" {pause.reason}" if pause.reason else ""
    message = f"The site is being maintained: it can be read, and takes nothing new for now.{reason}"
    response: HttpResponse
    if is_api(request):
        response = JsonResponse(body("MAINTENANCE", message), status=503)
    else:
        response = render(request, "maintenance.html", {"message": message}, status=503)
    response["Retry-After"] = RETRY_AFTER_S
    return response
