"""The demo: synthetic chests, temporary accounts, and a submission in every state."""
