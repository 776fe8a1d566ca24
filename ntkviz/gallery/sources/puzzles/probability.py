import flax.linen as nn


class Classifier(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):  # (batch, 64)
        x = nn.relu(nn.Dense(self.width)(x))
        x = nn.LayerNorm()(x)
        logit = nn.Dense(1)(x)
        return nn.sigmoid(logit)
