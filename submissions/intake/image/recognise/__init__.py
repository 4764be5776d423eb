"""Recognise files that are not a saved image, and say what to send instead."""
