"""The starter kit of a phase: a zip with which a first submission is made in minutes."""
