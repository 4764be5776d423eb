"""The bounded writable root of a model container: which folders, and by which means."""
