"""Outages on purpose: a site on services of its own, a fault, and whether everything acknowledged ends once."""
