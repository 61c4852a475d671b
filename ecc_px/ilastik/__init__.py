"""ilastik projects: the only room that knows how an .ilp looks inside."""
