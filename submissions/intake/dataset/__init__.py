"""Archives of a dataset's images, sent by an organiser: unpacked as data, bounded, never trusted."""
