"""From probabilities to a table of cells."""
