"""What a container contract says of itself, beside how it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from submissions.kinds import Kind
from submissions.runner.attempt import Host
from submissions.runner.base import Limits, Runner

# Stand in `guide` where the line to run it at home, and what each served kind adds, belong.
RUN, KINDS = "RUN", "KINDS"


class Machine(Protocol):
    """What is known of an engine's machine."""

    def capacity(self) -> tuple[int, int]:
        """Return its CPUs and bytes of memory; 0 where it does not say."""


@dataclass(frozen=True)
class Contract:
    """One way to drive an image.

    rank: its place among the contracts; the first is the default. serves: whether it can drive images for a kind.
    summary: sentences for a phase's page, names in `backticks`. guide: its section of the participants' guide in
    Markdown; kind_guide: what it adds for a kind. api_facts: what the API's `container` says beside the names.
    home_setup, home_options: a command before, and options of, the `docker run` line that runs an image as the platform
    does. lanes: how many containers of the image it has at once, where so many runs share the engine's machine.
    """

    name: str
    label: str
    rank: int
    serves: Callable[[Kind], bool]
    runner: Callable[[Host], Runner]
    summary: Callable[[Kind], str]
    guide: str
    kind_guide: Callable[[Kind], str]
    api_facts: Callable[[Kind], dict[str, Any]] = lambda kind: {}
    home_setup: str = ""
    home_options: tuple[str, ...] = ()
    lanes: Callable[[Limits, Machine, int], int] = lambda limits, machine, runs_at_once: 1
