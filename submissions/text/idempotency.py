"""Idempotency keys: a repeated request with the same key gets the first request's result."""

from __future__ import annotations

import uuid
from hashlib import sha256

MAX_KEY_LENGTH = 80


def new_key() -> str:
    return uuid.uuid4().hex


def stored_idempotency_key(text: str) -> str:
    """Return a client's idempotency key as stored: a long key as its digest, since keys may differ at the end."""
    return text if len(text) <= MAX_KEY_LENGTH else sha256(text.encode()).hexdigest()
