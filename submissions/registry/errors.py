"""Errors of pulling an image from a registry."""


class RegistryUnavailable(Exception):
    """The registry, or the network to it, failed; another attempt may help. The text is for staff."""
