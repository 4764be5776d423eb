"""Renderers of the API: JSON, and DRF's browsable page for signed-in browsers."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import override_method


class ExactJSONRenderer(JSONRenderer):
    """Numbers in full (repr of a double), never NaN or Infinity."""

    strict = True
    charset = None


class BrowsablePage(BrowsableAPIRenderer):
    """DRF's browsable API under this site's content security policy: no inline style or script, no other host.

    A view names the form of an action in `browsable_forms`; the serializer of its answers would be the wrong form.
    """

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Any) -> Any:
        """Return the HTML form of a POST; for other methods, whether there is a form."""
        if method != "POST":
            return super().get_rendered_html_form(data, view, method, request)
        with override_method(view, request, method) as requested:
            form = getattr(view, "browsable_forms", {}).get(getattr(view, "action", None) or "post")
            if form is None or not self.show_form_for_method(view, method, requested, None):
                return None
            return self.render_form_for_serializer(form(context={"request": requested, "view": view}))

    def show_form_for_method(self, view: Any, method: str, request: Any, obj: Any) -> bool:
        """Return whether the caller may use a method; any refusal means no."""
        try:
            return bool(super().show_form_for_method(view, method, request, obj))
        except APIException:
            return False

    def get_context(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Omit the colours of Pygments, which DRF writes as a style element."""
        return {**super().get_context(*args, **kwargs), "code_style": None}
