"""Readers of CT volumes for settings.CT_READER, each with a fault. No Django: the checking process has none."""

import importlib
import os
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

open_scan = importlib.import_module("inference.ct.reading.metaimage").open_scan


def shifted(path):
    """See the origin 1 mm off."""
    with open_scan(path) as scan:
        grid = replace(scan.grid, origin_xyz_mm=scan.grid.origin_xyz_mm + 1)
    return nullcontext(SimpleNamespace(grid=grid))


def dying(path):
    """Die at one volume, without a word."""
    if path.name == "1.2.2.mha":
        os._exit(9)
    return open_scan(path)
