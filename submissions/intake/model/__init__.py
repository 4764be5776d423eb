"""Model archives: weights that come apart from their image and are laid out at /opt/ml/model."""
