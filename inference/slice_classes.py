"""The four classes of a CT slice, in the order of `pred_index`."""

SLICE_CLASSES = ("adenocarcinoma", "large_cell_carcinoma", "squamous_cell_carcinoma", "normal")
