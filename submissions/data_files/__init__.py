"""The Data page of a challenge: files to download, and what the phases hand out of their datasets."""
