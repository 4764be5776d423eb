"""Readers for files from untrusted senders. Each raises InvalidImageFile with a reason code, and nothing else."""
