"""Idempotency keys: a repeated request with the same key is answered with the first one's result."""

from __future__ import annotations

import uuid
from hashlib import sha256

MAX_KEY_LENGTH = 80


def new_key() -> str:
    return uuid.uuid4().hex


def stored_idempotency_key(text: str) -> str:
    """Return a client's idempotency key as it is stored; a long one's digest, for its end may be all that differs."""
    return text if len(text) <= MAX_KEY_LENGTH else sha256(text.encode()).hexdigest()
