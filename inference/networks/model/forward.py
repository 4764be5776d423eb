"""Choose the fastest forward pass on this machine, checked against the plain network.

Tracing, freezing and optimising a small network makes it several times faster at batch 1
(benchmarks/RESULTS.md). The optimised graph is not trusted to compute the same function: it runs beside the plain
network on inputs of the real range, and is discarded if the results differ.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inference.networks.model.serving_form import serving_form

log = logging.getLogger(__name__)

TOLERANCE = 1e-5
ROUNDS = 10
Run = Callable[[Tensor], Tensor]
Builder = Callable[[nn.Module, Tensor], Run]


@dataclass(frozen=True)
class Forward:
    """A network ready for inference. Call it with a batch like the example; it returns the network's output.

    worst_difference: largest difference from the plain network in the self-check; None when the plain one is used.
    """

    run: Run
    worst_difference: float | None

    @property
    def is_optimised(self) -> bool:
        return self.worst_difference is not None

    def __call__(self, batch: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.run(batch)


def fast_forward(network: nn.Module, example: Tensor) -> Forward:
    """Return the fastest forward pass of `network` that gives the same probabilities.

    network: in eval mode afterwards; must return probabilities, because TOLERANCE is meant for them.
    example: one input of the shape and range served, batch axis first; other batch sizes are possible too.
    """
    network = network.eval()
    forwards = [_checked(network, build, example) for build in (_folded, _optimised)]
    usable = [forward for forward in forwards if forward.is_optimised]
    return _fastest(usable, example) if usable else Forward(network, None)


def _checked(network: nn.Module, build: Builder, example: Tensor) -> Forward:
    """Return the network as optimised by `build`, or the plain network where that fails or its results differ."""
    try:
        optimised = build(network, example)
        difference = _worst_difference(network, optimised, example)
    except Exception as error:  # noqa: BLE001 - the optimiser may raise anything; the plain network is the fallback
        log.warning("%s forward not available: %s", build.__name__, type(error).__name__)
        return Forward(network, None)
    if difference > TOLERANCE:
        log.warning("%s forward differs by %.1e: not used", build.__name__, difference)
        return Forward(network, None)
    return Forward(optimised, difference)


def _folded(network: nn.Module, example: Tensor) -> Run:
    """Fold batch norms into convolutions, channels last: the fastest form of small 2D networks."""
    with torch.no_grad():
        last = serving_form(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return torch.jit.freeze(torch.jit.trace(last, example, check_trace=False))


def _optimised(network: nn.Module, example: Tensor) -> Run:
    """Fold, and let oneDNN keep weights and maps in its own layout: the fastest form of 3D and wide networks."""
    with torch.inference_mode():
        traced = torch.jit.trace(serving_form(network), example, check_trace=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))


def _fastest(forwards: Sequence[Forward], example: Tensor) -> Forward:
    """Return the forward pass with the shortest single call; all are timed in turn.

    Other load on the machine can only make a call slower, and timing in turn exposes all of them to it equally.
    """
    least_s = [min(times) for times in zip(*(_round_s(forwards, example) for _ in range(ROUNDS)), strict=True)]
    return forwards[least_s.index(min(least_s))]


def _round_s(forwards: Sequence[Forward], example: Tensor) -> list[float]:
    """Return the seconds of one call of each."""
    times = []
    for forward in forwards:
        began = time.perf_counter()
        forward(example)
        times.append(time.perf_counter() - began)
    return times


def _worst_difference(network: nn.Module, optimised: Run, example: Tensor) -> float:
    """Return the largest difference on the example, noise and constants, in batches of one and three; also warms up."""
    generator = torch.Generator().manual_seed(0)
    low, high = float(example.min()), float(example.max())
    noise = torch.rand((3, *example.shape[1:]), generator=generator) * ((high - low) or 1) + low
    inputs = [
        example,
        example,
        noise[:1],
        noise,
        torch.full_like(example, low),
        torch.full_like(example, high),
    ]
    with torch.inference_mode():
        gaps = [(network(batch) - optimised(batch)).abs().max() for batch in inputs]
    worst = float(torch.stack(gaps).max())
    return worst if worst == worst else float("inf")
