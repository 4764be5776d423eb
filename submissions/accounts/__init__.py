"""Accounts: signing up and in, tokens, the limit of wrong passwords."""
