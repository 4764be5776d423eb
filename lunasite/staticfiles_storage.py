"""Static files with a hash in their names, so that browsers may cache them forever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Fall back to the plain name where `collectstatic` has not run, in tests and with `DEBUG`."""

    manifest_strict = False
