import flax.linen as nn


class MLP(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):  # (batch, 64)
        for _ in range(2):
            x = nn.Dense(self.width)(x)
            x = nn.LayerNorm()(x)
            x = nn.relu(x)
        return nn.Dense(1, use_bias=False)(x)
