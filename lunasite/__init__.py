"""The wiring of the site. The version stands here and nowhere else: pyproject.toml and the settings read it."""

__version__ = "0.2.0"
