"""Static files with a hash in their names, so that browsers may cache them forever."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

EVERYBODY_READS = 0o644


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Fall back to the plain name where `collectstatic` has not run, in tests and with `DEBUG`."""

    manifest_strict = False

    def compress_files(self, paths: Any) -> Iterator[tuple[str, str]]:
        """Compress as whitenoise does; everybody may read the results, whatever the umask."""
        for name, compressed in super().compress_files(paths):
            Path(self.path(compressed)).chmod(EVERYBODY_READS)
            yield name, compressed
