"""The order in which teams are served."""
