import equinox as eqx
import jax


class Switch(eqx.Module):
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    readout: eqx.nn.Linear

    def __init__(self, width):
        keys = jax.random.split(jax.random.key(0), 3)
        self.first = eqx.nn.Linear(64, width, key=keys[0])
        self.second = eqx.nn.Linear(width, width, key=keys[1])
        self.readout = eqx.nn.Linear(width, 1, key=keys[2])

    def __call__(self, x):  # (64,), one example
        h = jax.nn.relu(self.first(x))
        open = jax.nn.sigmoid(h[0])
        return self.readout(open * jax.nn.relu(self.second(h)))
