"""A classifier: features, model and classes, applied to one block at a time."""
