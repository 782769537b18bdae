"""A dense conditional random field, solved by mean field (survey 2.3.4) [35]."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import exp, floor, pi, prod, sqrt

import torch
from torch import Tensor

Pair = tuple[tuple[slice, ...], tuple[slice, ...], Tensor]
"""All pairs of voxels that lie one offset apart: where the first ones are, where the second, and how strongly
each pair is tied."""


def mean_field(
    probabilities: Tensor,
    image: Tensor,
    *,
    appearance: float = 8.0,
    smoothness: float = 1.0,
    alpha: float = 2.0,
    beta: float = 0.25,
    gamma: float = 1.0,
    radius: float = 4.0,
    iterations: int = 5,
    spacing: Sequence[float] | None = None,
) -> Tensor:
    """Class probabilities that agree with the image: neighbours of like intensity want the same class.

    The energy of a labelling x is that of Krähenbühl and Koltun (2011), which DeepLab [35] takes:

        E(x) = sum_i -log p_i(x_i) + sum_{i<j} [x_i != x_j] k(i, j)
        k(i, j) = appearance * G_alpha(s_i - s_j) * exp(-|f_i - f_j|^2 / (2 beta^2))
                  + smoothness * G_gamma(s_i - s_j)

    with voxels at s, intensities f, and a Potts model: any two different classes cost the same. Mean field
    looks for independent voxels q that come closest to exp(-E). All are updated at once:

        q_i(k) <- p_i(k) exp(sum_{j != i} k(i, j) q_j(k)) / sum over the classes

    Ours: G is the density of a Gaussian, so `appearance` and `smoothness` are what a voxel's whole
    neighbourhood can add, in nats, whatever alpha, gamma and the dimension. Of several channels,
    |f_i - f_j|^2 is the mean, so beta keeps its meaning. Messages are not passed through a lattice of
    features, which blurs them, but summed as they stand, over the neighbours within `radius`. Beyond r, a
    Gaussian of width s has exp(-r^2 / 2 s^2) of its mass in 2D (.14 at 2 s, .011 at 3 s), and .26 and .029 in
    3D; no sum of messages is off by more than this share of the weights. An update costs a product for each
    neighbour, class and voxel (radius 4: 48 neighbours in 2D, 256 in 3D), and memory is that of half as many
    images.

    Args:
        probabilities: p, `(K, *S)`, which sum to 1 over K.
        image: f, `(C, *S)`, on the same device.
        appearance, smoothness: the weights of the two terms, in nats.
        alpha, gamma: widths of the Gaussians of the appearance and of the smoothness term, in the unit of
            the spacing.
        beta: how unlike two intensities may be, in the unit of the image.
        radius: of the neighbourhood, in the unit of the spacing.
        iterations: updates.
        spacing: the size of a voxel along each axis; None for voxels of size 1.

    Returns:
        q, `(K, *S)`.

    Raises:
        ValueError: for shapes that do not belong together, or a width that is not above 0.
    """
    sizes = tuple(spacing or [1.0] * (image.ndim - 1))
    if probabilities.shape[1:] != image.shape[1:] or len(sizes) != image.ndim - 1:
        shapes = f"{tuple(probabilities.shape)}, {tuple(image.shape)} and a spacing of {sizes}"
        raise ValueError(f"mean_field: expected (K, *S), (C, *S) and a size for each axis, got {shapes}")
    if not min(alpha, beta, gamma) > 0:
        raise ValueError(f"mean_field: expected widths above 0, got {alpha}, {beta} and {gamma}")

    def tie(distance: float, unlike: Tensor) -> Tensor:
        alike = torch.exp(unlike / (-2 * beta**2))
        return appearance * _density(distance, alpha, sizes) * alike + smoothness * _density(
            distance, gamma, sizes
        )

    pairs = [
        (one, other, tie(distance, (image[one] - image[other]).square().mean(dim=0)))
        for distance, one, other in _neighbours(image.shape[1:], sizes, radius)
    ]
    evidence = probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()
    found = probabilities
    for _ in range(iterations):
        found = (evidence + messages(found, pairs)).softmax(dim=0)
    return found


def messages(found: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """What each voxel hears of its neighbours, sum_j k(i, j) q_j, `(K, *S)`."""
    total = torch.zeros_like(found)
    for one, other, strength in pairs:
        total[one].addcmul_(found[other], strength)
        total[other].addcmul_(found[one], strength)
    return total


def _neighbours(
    shape: Sequence[int], sizes: Sequence[float], radius: float
) -> Iterator[tuple[float, tuple[slice, ...], tuple[slice, ...]]]:
    """Each offset within the radius, one of every two opposite ones: its length, and the voxels it joins."""
    reach = [min(floor(radius / size), edge - 1) for size, edge in zip(sizes, shape, strict=True)]
    for offset in product(*(range(-most, most + 1) for most in reach)):
        distance = sqrt(sum((step * size) ** 2 for step, size in zip(offset, sizes, strict=True)))
        if offset > (0,) * len(offset) and distance <= radius:
            steps = list(zip(offset, shape, strict=True))
            one = tuple(slice(max(step, 0), edge + min(step, 0)) for step, edge in steps)
            other = tuple(slice(max(-step, 0), edge - max(step, 0)) for step, edge in steps)
            yield distance, (slice(None), *one), (slice(None), *other)


def _density(distance: float, width: float, sizes: Sequence[float]) -> float:
    """The mass of a Gaussian in a voxel at a distance from its middle."""
    height = prod(sizes) / (2 * pi * width**2) ** (len(sizes) / 2)
    return height * exp(-(distance**2) / (2 * width**2))
