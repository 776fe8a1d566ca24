"""Gaussian expectations of nonlinearities, each with its error."""
