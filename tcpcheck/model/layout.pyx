"""Names of the numbers in the model's tables, for the Python side (see layout.pxd)."""
