"""One attack a module. Each takes a participant and the share of malignant cases, and returns its guesses."""
