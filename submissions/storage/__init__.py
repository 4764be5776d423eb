"""The only gateway to stored files: local folders or an S3 server, always through django-storages' settings."""
