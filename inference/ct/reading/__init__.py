"""Readers for files from strangers. Each raises InvalidImageFile with a reason code, and nothing else."""
