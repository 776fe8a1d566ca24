import flax.linen as nn
import jax.numpy as jnp


def over_d(query, key, value, **options):
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1]
    return jnp.einsum("bhqk,bkhd->bqhd", nn.softmax(scores), value)


class Reader(nn.Module):
    width: int

    @nn.compact
    def __call__(self, tokens):  # (batch, 4, 16)
        x = nn.Dense(self.width)(tokens)
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=2, attention_fn=over_d)(y)
        x = nn.relu(nn.LayerNorm()(x))
        return nn.Dense(1, use_bias=False)(x.mean(1))
