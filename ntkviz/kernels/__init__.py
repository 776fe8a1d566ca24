"""Kernels at infinite width, and what is computed from them."""
