"""The address of the object store, from MINIO_ENDPOINT and related settings, in the form django-storages needs."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class StorageAddress:
    """host: `name:port` without scheme, for the minio client; url: with scheme, for S3 clients."""

    host: str
    secure: bool

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.host}"

    @property
    def is_loopback(self) -> bool:
        """Return whether only programs of the same machine, or the same container, reach it."""
        return urlsplit(f"//{self.host}").hostname in ("localhost", "127.0.0.1", "::1")


def parse_address(name: str, value: str, secure: bool) -> StorageAddress | None:
    """Return the address, or None when `value` is empty; a scheme in `value` overrides `secure`."""
    if not value:
        return None
    has_scheme = "://" in value
    parts = urlsplit(value if has_scheme else f"//{value}")
    has_good_port = port_of(value if has_scheme else f"//{value}") is not None
    if parts.scheme not in ("", "http", "https") or not parts.hostname or parts.path.strip("/") or not has_good_port:
        raise ImproperlyConfigured(f"{name} must look like host:port or http(s)://host:port, not {value!r}.")
    return StorageAddress(parts.netloc, parts.scheme == "https" if has_scheme else secure)


def port_of(address: str) -> int | None:
    """Return the port of an address, 0 where it names none, None for a number that cannot be a port."""
    try:
        port = urlsplit(address).port
    except ValueError:
        return None
    return None if port == 0 else port or 0


def s3_storage(address: StorageAddress, bucket: str, access_key: str, secret_key: str, region: str) -> dict[str, Any]:
    """Return the entry of STORAGES for one private bucket.

    region: part of each signature; a server that has one refuses those for another. Checksums beyond S3's own
    signature are disabled: not every server supports the newer ones.
    """
    from botocore.config import Config  # only a site with an object store pays for the import

    talk = Config(
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        connect_timeout=3,
        read_timeout=20,
        retries={"max_attempts": 1, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    options = {
        "bucket_name": bucket,
        "endpoint_url": address.url,
        "access_key": access_key,
        "secret_key": secret_key,
        "region_name": region,
        "client_config": talk,
        "default_acl": None,
        "file_overwrite": False,
        "querystring_expire": 300,
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
