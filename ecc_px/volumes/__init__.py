"""Images on disk: one module per format, one contract; blocks."""
