"""Sizes of files in sentences, in the units of the settings and of Django's filesizeformat: 1 MB is 2**20 bytes."""


def size_in_words(n_bytes: float) -> str:
    """Return a size for people: `10 MB` for 10 * 2**20, `1.2 GB`, `12 bytes`."""
    for unit, factor in (("TB", 2**40), ("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{n_bytes:.0f} bytes"
