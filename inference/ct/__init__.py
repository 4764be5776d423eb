"""Read, place and crop CT volumes and pictures from untrusted senders.

Framework-free: numpy only; no Django, no settings, no torch.

    scan = open_scan(path)                      # header checked, nothing decoded yet
    crop = crop_around(point_xyz_mm, scan, spec)  # (1, Z, Y, X) float32 in [0, 1]

Errors a caller should catch:
    InvalidImageFile    the file is invalid; `.code` is the reason, `.note` a sentence for its sender
    PointOutsideScan    no voxel of the scan contains the coordinate
"""
