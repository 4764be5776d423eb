"""The model service of this web process, configured by the settings. torch is never imported here."""

from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from inference.networks.service import ModelService


def engine() -> "ModelService":
    from inference.networks.service import ServiceConfig, model_service

    return model_service(
        ServiceConfig(
            load_model=settings.LOAD_MODEL,
            config_path=settings.CONFIG_PATH,
            model_path=settings.MODEL_PATH,
            lesion_config_path=settings.LESION_CONFIG_PATH,
            lesion_model_path=settings.LESION_MODEL_PATH,
            server_url=settings.MODEL_SERVER_URL,
            server_token=settings.MODEL_SERVER_TOKEN,
        )
    )
