"""Small distortions of training images, so that a thousand digits teach as much as ten thousand."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

LARGEST_SHIFT = 0.9
LARGEST_ROTATION = np.deg2rad(12)
LARGEST_SCALING = 0.12


def distort(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return NHWC images, each shifted, rotated and scaled a little at random around its centre."""
    return np.stack([_distort_one(image[:, :, 0], generator)[:, :, np.newaxis] for image in images])


def _distort_one(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    angle = generator.uniform(-LARGEST_ROTATION, LARGEST_ROTATION)
    scale = 1 + generator.uniform(-LARGEST_SCALING, LARGEST_SCALING, size=2)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation * scale
    centre = (np.array(image.shape) - 1) / 2
    offset = centre - matrix @ (centre + generator.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, size=2))
    return ndimage.affine_transform(image, matrix, offset=offset, order=1)
