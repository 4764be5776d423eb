"""Drive a participant's container: values in, answers out. Framework-free; `engine/docker.py` is the one gateway."""
