import flax.linen as nn


class Reader(nn.Module):
    width: int

    @nn.compact
    def __call__(self, tokens):  # (batch, 4, 16)
        x = nn.Dense(self.width)(tokens)
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=2)(y)
        x = nn.relu(nn.LayerNorm()(x))
        return nn.Dense(1, use_bias=False)(x.mean(1))
