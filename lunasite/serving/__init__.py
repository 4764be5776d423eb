"""How the site is served: gunicorn and what stands around the application."""
