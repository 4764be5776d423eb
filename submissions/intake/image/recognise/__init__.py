"""Say what a file is that is not a saved image, and what to send instead."""
