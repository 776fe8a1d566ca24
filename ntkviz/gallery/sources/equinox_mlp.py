import equinox as eqx
import jax


def mlp(width):
    one, two, three = jax.random.split(jax.random.key(0), 3)
    return eqx.nn.Sequential(
        [
            eqx.nn.Linear(64, width, key=one),
            eqx.nn.LayerNorm(width),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(width, width, key=two),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(width, 1, use_bias=False, key=three),
        ]
    )
