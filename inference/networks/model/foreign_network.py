"""A network of somebody else's, as an exported program: its input normalised, its output made probabilities.

An exported program (torch.export) is a graph of known operators with its tensors. torch.export.load would fall back to
plain pickles for some of them, which run whatever they hold; `load_program` forbids that.
"""

import io
import os
from typing import Any

import torch
from torch import Tensor, nn

OUTPUTS = ("logits", "probabilities")


# torch.load then reads with weights_only=True, whatever its caller says (torch, "Serialization semantics").
ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class NotAProgram(ValueError):
    """The bytes are not an exported program, or it does not fit its description."""


class ForeignNetwork(nn.Module):
    """An exported program behind the input and output of our networks.

    channels: how often the grey channel is repeated, for networks made for colour; 0 passes crops on as they are.
    mean, std: (channels,) subtracted and divided by, of values in 0..1. output: "logits" or "probabilities".
    """

    mean: Tensor
    std: Tensor

    def __init__(self, program: nn.Module, channels: int, mean: list[float], std: list[float], output: str) -> None:
        super().__init__()
        self.program = program
        self.channels, self.output = channels, output
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, batch: Tensor) -> Tensor:
        """Return probabilities (n, classes), or (n, 1) of a single one. batch: (n, 1, …) in 0..1.

        Programs may be made for a single input, so a batch is run one by one.
        """
        return torch.cat([self._one(batch[number : number + 1]) for number in range(batch.shape[0])])

    def _one(self, one: Tensor) -> Tensor:
        shape = (1, -1, *([1] * (one.dim() - 2)))
        wide = one.expand(-1, self.channels, *one.shape[2:]) if self.channels else one
        answer = self.program((wide - self.mean.reshape(shape)) / self.std.reshape(shape)).reshape(1, -1)
        if self.output == "probabilities":
            return answer
        return torch.sigmoid(answer) if answer.shape[1] == 1 else torch.softmax(answer, dim=1)

    def train(self, mode: bool = True) -> "ForeignNetwork":
        """Do nothing: an exported program has the mode that it was exported in."""
        return self


def load_program(content: bytes) -> torch.export.ExportedProgram:
    """Return the program of its bytes; nothing in them is run. Raises what torch.export.load raises."""
    before = os.environ.get(ONLY_WEIGHTS)
    os.environ[ONLY_WEIGHTS] = "1"
    try:
        return torch.export.load(io.BytesIO(content))
    finally:
        if before is None:
            del os.environ[ONLY_WEIGHTS]
        else:
            os.environ[ONLY_WEIGHTS] = before


def foreign_network(content: bytes, description: dict[str, Any]) -> ForeignNetwork:
    """Return the network of an exported program's bytes. Raises NotAProgram.

    description: channels, mean, std and output, as package_model wrote them.
    """
    try:
        program = load_program(content).module()
    except Exception as error:
        raise NotAProgram(f"torch.export cannot load it ({type(error).__name__})") from error
    try:
        return ForeignNetwork(
            program, int(description["channels"]), list(description["mean"]), list(description["std"]),
            str(description["output"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise NotAProgram("its description lacks channels, mean, std or output") from error
