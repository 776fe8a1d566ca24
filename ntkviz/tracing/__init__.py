"""Tracing: an ordinary model, written in JAX or in a library above it, becomes a tensor program."""
