"""Accounts: sign-up, sign-in, API tokens and the limit on wrong passwords."""
