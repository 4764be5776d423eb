"""Imports of datasets that were sent by a browser."""
