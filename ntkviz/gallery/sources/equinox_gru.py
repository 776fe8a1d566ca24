import equinox as eqx
import jax
import jax.numpy as jnp


class Reader(eqx.Module):
    cell: eqx.nn.GRUCell
    readout: eqx.nn.Linear

    def __init__(self, width):
        one, two = jax.random.split(jax.random.key(0))
        self.cell = eqx.nn.GRUCell(8, width, key=one)
        self.readout = eqx.nn.Linear(width, 1, use_bias=False, key=two)

    def __call__(self, rows):  # (8, 8), one example
        state = jnp.zeros(self.cell.hidden_size)
        for row in rows:
            state = self.cell(row, state)
        return self.readout(state)
