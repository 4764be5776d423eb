"""Files that a challenge hands out."""
