"""How dates are written where a template names no format: the lists and forms of the admin."""
