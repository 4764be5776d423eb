"""Access to staff pages: anonymous visitors are asked to sign in, users without the permission get a 404."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def for_holders(permission: str, *, to_post: str = "") -> Callable[[View], View]:
    """Guard a view by the permission that the admin asks for too. to_post: a further one for what changes something."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            user = request.user
            if not user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            is_post = request.method not in ("GET", "HEAD")
            needed = [permission, *([to_post] if to_post and is_post else [])]
            if not (user.is_staff and user.has_perms(needed)):
                raise Http404
            return view(request, *args, **kwargs)

        return guarded

    return guard
