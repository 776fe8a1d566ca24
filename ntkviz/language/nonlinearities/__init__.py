"""Functions that act on each coordinate: the built-in ones, and the analysis of others by their jaxprs."""
