"""CT volumes and pictures from strangers: read, place, crop. Pure numpy; no Django, no settings, no torch.

    scan = open_scan(path)                      # header checked, nothing decoded yet
    crop = crop_around(point_xyz_mm, scan, spec)  # (1, Z, Y, X) float32 in [0, 1]

Errors a caller should catch:
    InvalidImageFile          the file is at fault; `.code` is the reason, `.note` a sentence for its sender
    PointOutsideScan    the coordinate lies in no voxel of the scan
"""
