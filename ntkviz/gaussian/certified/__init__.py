"""Gaussian integrals of any function with a jaxpr, with errors that follow from enclosures of the function."""
