"""PyTorch modules: exported to ATen operations, which run here as functions of JAX arrays."""
