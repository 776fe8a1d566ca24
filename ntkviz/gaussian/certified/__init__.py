"""Gaussian integrals of any function with a jaxpr, whose error bounds follow from enclosures of the function."""
