"""Outages: circuit breakers of shared parts, health of hosts, pauses by staff. What waits here costs no attempt."""
