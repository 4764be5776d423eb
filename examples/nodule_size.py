"""A malignancy score from the size of what is solid around a point. Standard library only.

The bigger a nodule, the likelier it is malignant: for rings of growing radius around the point, in its own
slice and the two beside it, the share of solid voxels is measured; where it falls under a half, the nodule
ends. Its radius, through a logistic curve, is the score.
"""

import array
import math
import sys
import zlib

SOLID_HU = -350
LARGEST_MM = 20.0
STEP_MM = 0.5
# Rings within 3 mm never end a nodule: its point may lie beside its middle.
SURELY_INSIDE = 6
# Type codes of `array` for the element types a CT comes in.
TYPES = {
    "MET_CHAR": "b",
    "MET_UCHAR": "B",
    "MET_SHORT": "h",
    "MET_USHORT": "H",
    "MET_INT": "i",
    "MET_UINT": "I",
    "MET_FLOAT": "f",
    "MET_DOUBLE": "d",
}


class Scan:
    """A CT volume: voxels in x-fastest order, with its place in the patient."""

    def __init__(self, data):
        header, voxels = split(data)
        self.size = [int(word) for word in header["dimsize"].split()]
        self.spacing = [float(word) for word in header["elementspacing"].split()]
        self.origin = [float(word) for word in header.get("offset", header.get("position", "0 0 0")).split()]
        self.axes = [float(word) for word in header.get("transformmatrix", "1 0 0 0 1 0 0 0 1").split()]
        self.voxels = array.array(TYPES[header["elementtype"].upper()])
        if header.get("compresseddata", "False").lower() == "true":
            voxels = zlib.decompress(voxels)
        count = self.size[0] * self.size[1] * self.size[2]
        self.voxels.frombytes(voxels[: count * self.voxels.itemsize])
        is_big = header.get("binarydatabyteordermsb", header.get("elementbyteordermsb", "False")).lower() == "true"
        if is_big != (sys.byteorder == "big"):
            self.voxels.byteswap()

    def index_of(self, point_xyz_mm):
        """Return where a world point lies in the voxel grid, (x, y, z)."""
        away = [point - start for point, start in zip(point_xyz_mm, self.origin, strict=True)]
        rows = [self.axes[3 * axis : 3 * axis + 3] for axis in range(3)]
        along = [sum(a * b for a, b in zip(row, away, strict=True)) for row in rows]
        return [value / step for value, step in zip(along, self.spacing, strict=True)]

    def hu(self, x, y, z):
        """Return a voxel's value, or air outside the scan."""
        if 0 <= x < self.size[0] and 0 <= y < self.size[1] and 0 <= z < self.size[2]:
            return self.voxels[(z * self.size[1] + y) * self.size[0] + x]
        return -1000


def split(data):
    """Return (header with lower-cased keys, the bytes behind it) of a MetaImage file."""
    header, at = {}, 0
    while "elementdatafile" not in header:
        end = data.index(b"\n", at)
        key, _, value = data[at:end].decode("ascii").partition("=")
        header[key.strip().lower()] = value.strip()
        at = end + 1
    return header, data[at:]


def solid_share_by_ring(scan, centre):
    """Return the share of solid voxels in rings STEP_MM wide around `centre` (x, y, z index)."""
    count = int(LARGEST_MM / STEP_MM)
    solid, seen = [0] * count, [0] * count
    reach = [int(LARGEST_MM / step) for step in scan.spacing[:2]]
    x0, y0, z0 = (round(value) for value in centre)
    for z in (z0 - 1, z0, z0 + 1):
        if not 0 <= z < scan.size[2]:
            continue
        for y in range(max(0, y0 - reach[1]), min(scan.size[1], y0 + reach[1] + 1)):
            for x in range(max(0, x0 - reach[0]), min(scan.size[0], x0 + reach[0] + 1)):
                ring = int(math.hypot((x - centre[0]) * scan.spacing[0], (y - centre[1]) * scan.spacing[1]) / STEP_MM)
                if ring < count:
                    seen[ring] += 1
                    solid[ring] += scan.hu(x, y, z) > SOLID_HU
    return [s / n if n else 0.0 for s, n in zip(solid, seen, strict=True)]


def radius_mm(shares):
    """Return where the nodule ends: the effective radius of the rings that are solid from the inside out."""
    squared = 0.0
    for ring, share in enumerate(shares):
        if ring >= SURELY_INSIDE and share < 0.5:
            break
        squared += share * ((ring + 1) ** 2 - ring**2)
    return math.sqrt(squared) * STEP_MM


def malignancy(scan, point_xyz_mm):
    """Return a probability in (0, 1)."""
    radius = radius_mm(solid_share_by_ring(scan, scan.index_of(point_xyz_mm)))
    return 1 / (1 + math.exp(-(radius - 4.0) / 1.2))
