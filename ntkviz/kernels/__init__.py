"""Kernels at infinite width, and quantities computed from them."""
