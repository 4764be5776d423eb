"""Who takes part in a phase: binding to a team, approval by its organisers, accepted rules, size of teams.

Approval and rules are the challenge's (`terms.py`), the team and its size the phase's.
"""
