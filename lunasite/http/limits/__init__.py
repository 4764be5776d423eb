"""Limits of what one caller may send and ask for."""
