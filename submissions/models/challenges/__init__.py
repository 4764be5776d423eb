"""The challenge: the place that groups phases, with its organisers, its rules and who may take part."""
