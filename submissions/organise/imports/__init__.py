"""Import a dataset that a browser sent: judged as `manage.py import_dataset` does, by a worker, with progress."""
