"""Tracing: turns an ordinary model, written in JAX or in a library based on it, into a tensor program."""
