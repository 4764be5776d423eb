"""The site's configuration. The version is defined only here: pyproject.toml and the settings read it."""

__version__ = "0.2.0"
