"""Attacks on the hidden labels of a running phase, each played by a participant with an account and 15 tries."""
