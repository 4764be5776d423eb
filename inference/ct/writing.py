"""Write a CT as .mha with SimpleITK: for phantoms, tests and examples."""

from pathlib import Path

import numpy as np

from .volume import CTVolume


def write_mha(volume: CTVolume, path: Path | str, *, compressed: bool = True, level: int = 2) -> None:
    """Write the volume as one file, in its own number type.

    level: zlib's compression level, 1 to 9. Raises RuntimeError when the file cannot be written.
    """
    import SimpleITK  # 60 MB; a web process needs it only when somebody requests the example

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.hu))
    image.SetSpacing(volume.grid.spacing_xyz_mm.tolist())
    image.SetOrigin(volume.grid.origin_xyz_mm.tolist())
    image.SetDirection(volume.grid.direction.ravel().tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=compressed, compressionLevel=level)
