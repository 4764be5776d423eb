"""Pictures to look at show what they say, where it is."""

import io

import numpy as np
from PIL import Image

from inference.networks.model.rendering import heat_over, planes
from inference.networks.model.slice_input import body_box, crop_to_body


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def test_planes_show_the_patient_as_radiologists_do():
    """A mark at the head (high z), the front (low y) and the right (low x) of the cube."""
    cube = np.zeros((1, 9, 9, 9), dtype=np.float32)
    cube[0, 4, 1, 4] = cube[0, 4, 4, 1] = cube[0, 8, 4, 4] = 1
    axial, coronal, sagittal = (pixels(picture) for picture in planes(cube))
    assert np.argwhere(axial).tolist() == [[1, 4], [4, 1]]
    assert np.argwhere(coronal).tolist() == [[0, 4], [4, 1]]
    assert np.argwhere(sagittal).tolist() == [[0, 4], [4, 1]]


def test_heat_lies_over_the_patch_that_matters_and_nowhere_outside_the_body():
    grey = np.zeros((100, 200), dtype=np.uint8)
    grey[20:80, 100:180] = 150
    drops = np.zeros((8, 8))
    drops[0, 7] = 0.4
    alpha = pixels(heat_over(drops, body_box(grey), (100, 200)))[..., 3]
    row, column = np.unravel_index(alpha.argmax(), alpha.shape)
    assert 20 <= row < 35
    assert 165 <= column < 180
    outside = np.ones_like(alpha, dtype=bool)
    outside[20:80, 100:180] = False
    assert alpha[outside].max() == 0


def test_the_body_box_is_what_is_cropped():
    grey = np.random.default_rng(0).integers(0, 10, (90, 120), dtype=np.uint8)
    grey[10:70, 30:100] += 100
    assert np.array_equal(crop_to_body(grey), grey[body_box(grey)])
    assert body_box(np.zeros((50, 60), dtype=np.uint8)) == (slice(0, 50), slice(0, 60))


def test_drops_that_mean_nothing_are_hardly_seen():
    box = (slice(0, 64), slice(0, 64))
    alpha = pixels(heat_over(np.full((8, 8), 1e-5), box, (64, 64)))[..., 3]
    assert alpha.max() <= 1
