"""Who takes part in a phase: binding to a team, approval by its organisers, accepted rules, size of teams.

All of it asks the phase through `terms.py`. When phases are grouped in challenges, only that module changes.
"""
