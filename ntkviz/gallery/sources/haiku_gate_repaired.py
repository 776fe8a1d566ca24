import haiku as hk
import jax
import jax.numpy as jnp


def gated(width):
    def forward(x):  # (batch, 64)
        h = jnp.tanh(hk.Linear(width)(x))
        gate = jax.nn.sigmoid(hk.Linear(width)(h))
        return hk.Linear(1, with_bias=False)(gate * hk.Linear(width)(h))

    return hk.transform(forward)
