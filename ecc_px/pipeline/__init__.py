"""One brain: predict, find cells; and what is written beside the results."""
