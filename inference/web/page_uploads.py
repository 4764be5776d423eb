"""Pages that take a file: the same limits as the API; the body is read only after the caller's checks have passed."""

import math
from collections.abc import Callable
from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from inference.api.throttling import wait_s
from lunasite.http.errors import ApiError
from lunasite.http.limits.upload_limits import cap_body, close_uploads, refuse_large_body

View = Callable[..., HttpResponseBase]


def takes_upload(
    *, max_bytes: Callable[[], int], needs_login: Callable[[], bool], endpoints: tuple[str, ...] = ()
) -> Callable[[View], View]:
    """Let a view take files of at most `max_bytes()`; a GET is redirected to the try-it page.

    The CSRF check reads the body, so it runs after all checks that can refuse the request without reading it.
    """

    def decorate(view: View) -> View:
        protected = csrf_protect(view)

        @csrf_exempt
        @wraps(view)
        def taking(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            if needs_login() and not request.user.is_authenticated:
                return redirect_to_login(reverse("try_it"))
            if request.method != "POST":
                return redirect("try_it")
            wait = wait_s(request, endpoints) if endpoints else None
            if wait is not None:
                return too_often(request, wait)
            cap_body(request, max_bytes())
            try:
                refuse_large_body(request, max_bytes())
                return protected(request, *args, **kwargs)
            except ApiError as error:
                return refused(request, error)
            finally:
                close_uploads(request)

        return taking

    return decorate


def too_often(request: HttpRequest, wait: float) -> HttpResponse:
    message = f"That was often. Try again in {math.ceil(wait)} seconds."
    answer = render(request, "429.html", {"message": message}, status=429)
    answer["Retry-After"] = str(math.ceil(wait))
    return answer


def refused(request: HttpRequest, error: ApiError) -> HttpResponse:
    return render(request, "inference/refused.html", {"message": error.detail}, status=error.status_code)
