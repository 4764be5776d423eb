"""Limits that stand in two apps, neither of which may import the other."""

from inference.ct.reading.header import MAX_PIXEL_BYTES
from submissions.datasets.volume_check import MAX_VOXEL_BYTES


def test_an_import_makes_no_volume_that_the_sites_reader_refuses():
    assert MAX_VOXEL_BYTES == MAX_PIXEL_BYTES
