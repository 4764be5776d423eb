"""Health checks: GET /live answers, GET /health describes this process, GET /ready says whether it can serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from inference.model_service import engine
from lunasite.http.limits.only_reading import only_reading
from lunasite.monitoring.parts import ESSENTIAL, can_serve, check_parts


@only_reading
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process answers at all; a restart helps only where this does not."""
    return HttpResponse("alive\n", content_type="text/plain")


@only_reading
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process lives; checks neither database nor storage."""
    status = engine().status()
    answer: dict[str, Any] = {
        "ok": True,
        "device": status.device,
        "model_loaded": bool(status.models) and status.all_loaded,
        "config_path": shown_path(settings.CONFIG_PATH),
        "model_path": shown_path(settings.MODEL_PATH),
        "lesion_config_path": shown_path(settings.LESION_CONFIG_PATH),
        "lesion_model_path": shown_path(settings.LESION_MODEL_PATH),
    }
    for model in status.models:
        answer[model.name] = {"loaded": model.is_loaded, "state": model.state, "version": model.version}
        if model.reason:
            answer[model.name]["reason"] = model.reason
    return JsonResponse(answer)


def shown_path(path: Path) -> str:
    """Return a path in a form for the public: relative to the code's folder, or only its name."""
    inside = path.is_relative_to(settings.BASE_DIR)
    return str(path.relative_to(settings.BASE_DIR)) if inside else path.name


@only_reading
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 503 only when this process cannot serve (database, static files); other parts that fail are warnings."""
    parts = check_parts()
    lines = [
        f"{name}: {'ok' if part.is_ok else 'FAILED' if name in ESSENTIAL else 'WARNING'}, {part.note}"
        for name, part in parts.items()
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain", status=200 if can_serve(parts) else 503)
