"""Serve local files by expiring URLs, as attachments that a browser never renders, whole or in ranges.

With an object store the browser is sent to the store itself (presigned URLs).
"""

from __future__ import annotations

import time

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from lunasite.http.files.ranges import ranged_file
from submissions.storage.base import MissingFile
from submissions.storage.files import store
from submissions.storage.local import DOWNLOAD_SALT


@require_safe
def download(request: HttpRequest, token: str) -> HttpResponseBase:
    """Send the file that a token names, until the token expires; the token is the permission."""
    try:
        named = signing.loads(token, salt=DOWNLOAD_SALT)
        path = store().local_path(named["key"])
    except (signing.BadSignature, MissingFile):
        raise Http404 from None
    if path is None or named["until"] < time.time() or not path.is_file():
        raise Http404
    return ranged_file(request, path, named["name"])
