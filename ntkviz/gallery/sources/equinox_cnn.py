import equinox as eqx
import jax


class CNN(eqx.Module):
    layers: list
    readout: eqx.nn.Linear

    def __init__(self, width):
        one, two, three = jax.random.split(jax.random.key(0), 3)
        self.layers = [
            eqx.nn.Conv2d(1, width, 3, stride=2, padding=1, key=one),
            jax.nn.relu,
            eqx.nn.Conv2d(width, width, 3, stride=2, padding=1, key=two),
            jax.nn.relu,
        ]
        self.readout = eqx.nn.Linear(width, 1, use_bias=False, key=three)

    def __call__(self, image):  # (1, 8, 8), one example
        for layer in self.layers:
            image = layer(image)
        return self.readout(image.mean((1, 2)))
