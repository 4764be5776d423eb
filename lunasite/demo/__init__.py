"""The demo: made-up chests, throw-away accounts, and a submission in every state."""
