"""Phases in the browser: make, copy, change, look at as a participant does, end."""
