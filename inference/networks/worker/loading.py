"""Load both models; a missing or damaged model does not affect the other."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from inference.networks.answers import ModelStatus
from inference.networks.model.predictor import (
    LesionPredictor,
    SlicePredictor,
    load_lesion_predictor,
    load_slice_predictor,
)
from inference.networks.model.weights import WeightsError, WeightsMissing
from inference.networks.worker.jobs import RequestHandlers

log = logging.getLogger("inference.loading")
Predictor = TypeVar("Predictor", LesionPredictor, SlicePredictor)


def use_one_thread() -> None:
    """Use one torch thread per process, which is fastest under load; call this once, before torch computes anything."""
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    warnings.filterwarnings("ignore", module="torch")


def load_jobs(*, lesion: tuple[Path, Path], slices: tuple[Path, Path]) -> tuple[RequestHandlers, list[ModelStatus]]:
    """Load and warm up the models at (config, weights); return them with the status of each."""
    lesion_model, lesion_status = _loaded("lesion", load_lesion_predictor, lesion)
    slice_model, slice_status = _loaded("slice", load_slice_predictor, slices)
    return RequestHandlers(lesion_model, slice_model), [lesion_status, slice_status]


def _loaded(
    name: str, load: Callable[[Path, Path], Predictor], paths: tuple[Path, Path]
) -> tuple[Predictor | None, ModelStatus]:
    try:
        model = load(*paths)
    except WeightsError as error:
        log.error("the %s model is not loaded: %s", name, error)
        state = "missing" if isinstance(error, WeightsMissing) else "damaged"
        return None, ModelStatus(name, state, reason=str(error))
    except Exception as error:  # a model that cannot start must not affect the other
        log.exception("the %s model is not loaded", name)
        return None, ModelStatus(name, "failed", reason=f"{paths[1].name} cannot be started: {type(error).__name__}")
    return model, ModelStatus(name, "loaded", model.version)
