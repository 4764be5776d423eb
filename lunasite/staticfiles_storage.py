"""Static files with their hash in the name, so that browsers may keep them for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Fall back to the plain name where `collectstatic` has not run: tests and `DEBUG`."""

    manifest_strict = False
