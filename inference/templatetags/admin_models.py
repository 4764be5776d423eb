"""The models' state on the admin's first page: only those that are missing, with the reason."""

from django import template

from inference.model_service import engine
from inference.networks.answers import ModelStatus

register = template.Library()
EXPECTED = ("loaded", "starting", "off")


@register.simple_tag
def models_not_loaded() -> list[ModelStatus]:
    """Return the models that should be loaded and are not."""
    return [model for model in engine().status().models if model.state not in EXPECTED]
