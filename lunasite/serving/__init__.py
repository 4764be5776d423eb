"""Serving layer: gunicorn's configuration and worker, and the event loop in front of the application."""
