"""Signatures that anybody can verify: Ed25519 (RFC 8032) over canonical JSON (RFC 8785), keys as JWK (RFC 8037).

A signed record is {"record": {…, "key_id": …}, "signature": …, "public_key": …}. The signature, in base64url without
padding, covers the record's canonical form. The key's identifier is its thumbprint (RFC 7638); it is inside the record,
so it is signed too. The public key beside the record is for convenience only: trust the key that the site publishes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lunasite.http.strict_json import NotStrictJson, parse_strict


class BadRecord(Exception):
    """Why a file is not a genuine record, or not a key; the end of a sentence."""


def sign(record: dict[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return the record with the key's identifier, the signature and the public key."""
    public_key = public_jwk(key.public_key())
    record = {**record, "key_id": public_key["kid"]}
    return {"record": record, "signature": to_base64url(key.sign(rfc8785.dumps(record))), "public_key": public_key}


def verify(text: bytes, keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    """Return the record inside a signed record's JSON.

    keys: the trusted public keys by identifier. Raises BadRecord unless one of them signed exactly this record.
    """
    record, signature = _parts(text)
    if (key := keys.get(str(record.get("key_id")))) is None:
        raise BadRecord("it was altered, or signed under a key that is not among the trusted ones")
    try:
        key.verify(from_base64url(signature), rfc8785.dumps(record))
    except (InvalidSignature, ValueError) as error:
        raise BadRecord("the record was altered, or signed under another key") from error
    return record


def _parts(text: bytes) -> tuple[dict[str, Any], str]:
    answer = _parsed(text)
    if not isinstance(answer, dict) or not isinstance(record := answer.get("record"), dict):
        raise BadRecord("it has no record")
    if not isinstance(signature := answer.get("signature"), str):
        raise BadRecord("it has no signature")
    return record, signature


def _parsed(text: bytes) -> Any:
    try:
        return parse_strict(text)
    except NotStrictJson as error:
        raise BadRecord(f"the file {error}") from error


def public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """Return a public key as JWK, with its thumbprint as `kid`."""
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": to_base64url(key.public_bytes_raw())}
    return {**jwk, "kid": to_base64url(hashlib.sha256(rfc8785.dumps(jwk)).digest())}


def read_keys(text: bytes) -> dict[str, Ed25519PublicKey]:
    """Return the keys in a JWK or a set of them ({"keys": […]}), by thumbprint. Raises BadRecord."""
    value = _parsed(text)
    found = value.get("keys", [value]) if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(jwk, dict) for jwk in found):
        raise BadRecord("the key file holds no JSON Web Key")
    return by_thumbprint(public_key(str(jwk.get("x"))) for jwk in found if jwk.get("crv") == "Ed25519")


def by_thumbprint(keys: Any) -> dict[str, Ed25519PublicKey]:
    return {public_jwk(key)["kid"]: key for key in keys}


def public_key(text: str) -> Ed25519PublicKey:
    """Return the public key encoded as 32 bytes in base64url. Raises BadRecord."""
    try:
        return Ed25519PublicKey.from_public_bytes(from_base64url(text))
    except ValueError as error:
        raise BadRecord("a key is not 32 bytes in base64url") from error


def private_key(text: str) -> Ed25519PrivateKey:
    """Return the private key from a seed of 32 bytes in base64url. Raises ValueError."""
    return Ed25519PrivateKey.from_private_bytes(from_base64url(text))


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Decode base64url, padded or not. Raises ValueError."""
    plain = text.rstrip("=").encode("ascii")
    return base64.b64decode(plain + b"=" * (-len(plain) % 4), altchars=b"-_", validate=True)
