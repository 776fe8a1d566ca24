"""Tracing: turns an ordinary model, written in JAX, a library based on it, or PyTorch, into a tensor program."""
