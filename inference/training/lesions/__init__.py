"""The training of the lesion model."""
