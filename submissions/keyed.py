"""Orders and digests under a dataset's secret key: without the key nobody can recompute them from public ids."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

MAX_SEED = 2**31


def new_secret() -> str:
    """Return 32 random bytes in hex: a key or a nonce."""
    return secrets.token_hex(32)


def new_seed() -> int:
    """Return a random seed for the bootstrap over patients."""
    return secrets.randbelow(MAX_SEED)


def keyed_digest(key: str, purpose: str, text: str) -> str:
    """Return HMAC-SHA256 in hex. purpose: keeps digests of the same text apart."""
    return hmac.new(bytes.fromhex(key), f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()


def keyed_order(key: str, purpose: str, texts: Iterable[str]) -> list[str]:
    """Return distinct texts in an order that depends on the key and on nothing else."""
    return sorted(set(texts), key=lambda text: keyed_digest(key, purpose, text))
