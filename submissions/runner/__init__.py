"""Drive a participant's container: values in, answers out. Pure; `docker.py` is the one gateway."""
