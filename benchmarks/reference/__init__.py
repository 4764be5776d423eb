"""What lunasite is measured against: servers written the usual way, with lunasite's own weights."""
