"""Django receiving an upload as the site does, and nothing else: our side of P7."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

if not settings.configured:
    settings.configure(SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[])
    django.setup()

from lunasite.http.limits.upload_limits import cap_body


def upload(request: HttpRequest) -> JsonResponse:
    cap_body(request, 1 << 30)
    return JsonResponse({"size": request.FILES["file"].size})


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})


urlpatterns = [path("upload", upload), path("health", health)]
application = get_wsgi_application()
