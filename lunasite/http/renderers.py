"""JSON answers."""

from rest_framework.renderers import JSONRenderer


class ExactJSONRenderer(JSONRenderer):
    """Numbers in full (repr of a double), never NaN or Infinity."""

    strict = True
    charset = None
