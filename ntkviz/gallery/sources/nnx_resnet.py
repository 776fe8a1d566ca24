from flax import nnx


class Block(nnx.Module):
    def __init__(self, width, rngs):
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.up = nnx.Linear(width, 4 * width, rngs=rngs)
        self.down = nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x):
        return x + self.down(nnx.relu(self.up(self.norm(x))))


class ResNet(nnx.Module):
    def __init__(self, width):
        rngs = nnx.Rngs(0)
        self.embed = nnx.Linear(64, width, rngs=rngs)
        self.one = Block(width, rngs)
        self.two = Block(width, rngs)
        self.readout = nnx.Linear(width, 1, use_bias=False, rngs=rngs)

    def __call__(self, x):  # (batch, 64)
        return self.readout(self.two(self.one(self.embed(x))))
