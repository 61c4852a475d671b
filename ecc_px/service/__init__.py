"""The night shift: folders are watched, and every brain that arrives is checked, classified, counted and remembered."""
