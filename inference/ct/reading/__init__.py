"""Readers for files from strangers. Each raises Unreadable with a reason code, and nothing else."""
