"""ATen operations as functions of JAX arrays; they import no PyTorch."""
