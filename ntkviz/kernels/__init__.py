"""Kernels at infinite width, and what is asked of them."""
