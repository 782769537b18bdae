"""Where tumours grow: their centres, the tissue that they push aside, and paths through it."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

COARSE_MM = 4
"""Edge of the grid on which tumours are placed and paths through the tissue measured."""

BARRIER = 6.0
"""Cost of a millimetre of fluid or air, in millimetres of white matter."""


def coarse(maps: Tensor, resolution: int) -> Tensor:
    """`(C, *S)` averaged over blocks of 4 mm."""
    return F.avg_pool3d(maps, COARSE_MM // resolution)


def centres(rng: np.random.Generator, tissue: Tensor, radii: np.ndarray) -> np.ndarray:
    """Points `(n, 3)` in mm for cores of these radii: in white matter, deep in the brain and apart.

    From the first core on for which there is no room, cores are left out.

    Args:
        rng: this subject's, for tumours.
        tissue: CSF, grey and white shares `(3, *S)` on the coarse grid.
        radii: mm.
    """
    from scipy.ndimage import distance_transform_edt

    white = tissue[2].double().numpy()
    depth = COARSE_MM * distance_transform_edt(np.pad(tissue.sum(0).numpy() > 0.5, 1))[1:-1, 1:-1, 1:-1]
    points = COARSE_MM * (np.moveaxis(np.indices(white.shape), 0, -1) + 0.5)
    free = np.ones(white.shape, bool)
    found: list[np.ndarray] = []
    for radius in radii:
        weight = np.where(free & (depth > 0.5 * radius + 6), white**2, 0).ravel()
        if weight.sum() == 0:
            break
        found.append(points.reshape(-1, 3)[rng.choice(weight.size, p=weight / weight.sum())])
        free &= np.linalg.norm(points - found[-1], axis=-1) > 2.5 * (radius + radii.max())
    return np.array(found).reshape(-1, 3)


def pushed(maps: Tensor, middles: np.ndarray, radii: np.ndarray, push: float, resolution: int) -> Tensor:
    """`maps` `(C, *S)` with the tissue around each of `middles` (mm) moved outward: a mass effect.

    A voxel at distance r is taken from r (1 - push exp(-(r / 1.4 R)²)), R the core's radius. That grows
    with r wherever push < 1, so nothing folds.
    """
    shape = maps.shape[1:]
    axes = [(torch.arange(n) + 0.5) * resolution for n in shape]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    for middle, radius in zip(torch.from_numpy(middles).float(), radii, strict=True):
        away = points - middle
        near = torch.exp(-away.square().sum(-1, keepdim=True) / (1.4 * float(radius)) ** 2)
        points = points - push * near * away
    edges = torch.tensor(shape) * resolution
    grid = (2 * points / edges - 1).flip(-1)
    return F.grid_sample(maps[None], grid[None], align_corners=False)[0]


def path_lengths(tissue: Tensor, middle: np.ndarray, spread: float, limit: float) -> Tensor:
    """Length in mm of the easiest path from `middle` to each point of the coarse grid, `(*S)`, up to `limit`.

    A millimetre of white matter counts once, of grey matter `spread` times, of fluid and air `BARRIER` times,
    so that a tumour follows the tracts, goes around ventricles and hardly crosses a fissure.
    """
    from skimage.graph import MCP_Geometric

    start = (middle / COARSE_MM).astype(int)
    reach = int(np.ceil(limit / COARSE_MM))
    box = tuple(slice(max(at - reach, 0), at + reach + 1) for at in start)
    _, grey, white = tissue[:, *box].double().numpy()
    costs = white + spread * grey + BARRIER * (1 - white - grey).clip(0)
    inside = tuple(int(at) - b.start for at, b in zip(start, box, strict=True))
    lengths, _ = MCP_Geometric(COARSE_MM * costs).find_costs([inside])
    paths = torch.full(tissue.shape[1:], float(limit))
    paths[box] = torch.from_numpy(lengths * _straight(costs.shape, inside)).float().clamp(max=limit)
    return paths


def _straight(shape: tuple[int, ...], start: tuple[int, ...]) -> np.ndarray:
    """Straight length over length along the 26 directions of the grid, from `start` to each voxel.

    Multiplying by it turns the polyhedra that paths on a grid give in even tissue into balls.
    """
    steps = np.sort(np.abs(np.moveaxis(np.indices(shape), 0, -1) - np.array(start)), -1)
    least, middle, most = np.moveaxis(steps, -1, 0)
    along = (np.sqrt(3) - np.sqrt(2)) * least + (np.sqrt(2) - 1) * middle + most
    return np.linalg.norm(steps, axis=-1) / np.maximum(along, 1)
