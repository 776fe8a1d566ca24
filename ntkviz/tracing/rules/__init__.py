"""The rules of tracing: how each primitive of a model becomes instructions of a tensor program."""
