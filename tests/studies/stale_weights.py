"""Does jax on this CPU train on old weights? PATH/OF/AN/ARM/bin/python tests/studies/stale_weights.py

One dense layer learns by a jitted step that donates its weights, as ours do. From jax 0.7.2 to 0.8.1 XNNPACK keeps a
packed copy of the weights and goes on with it where new ones lie at the old address, so that the loss stays where it
is. XLA_FLAGS=--xla_cpu_use_xnnpack=false makes the two agree. The last column is the same in NumPy, in float64.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

BATCH, INPUTS, OUTPUTS, STEPS, RATE = 100, 800, 500, 50, 5.0


def main() -> None:
    """Print the loss that jax and NumPy have come to."""
    random = np.random.default_rng(0)
    x = random.normal(size=(BATCH, INPUTS))
    wanted = random.normal(size=(BATCH, OUTPUTS))
    weights = random.normal(size=(INPUTS, OUTPUTS)) * 0.03

    def loss_of(w: jax.Array, x: jax.Array, wanted: jax.Array) -> jax.Array:
        return jnp.mean(jnp.square(x @ w - wanted))

    def step(w: jax.Array, x: jax.Array, wanted: jax.Array) -> tuple[jax.Array, jax.Array]:
        loss, slopes = jax.value_and_grad(loss_of)(w, x, wanted)
        return w - RATE * slopes, loss

    jitted = jax.jit(step, donate_argnums=0)
    given = [jnp.asarray(array, jnp.float32) for array in (x, wanted)]
    learnt = jnp.asarray(weights, jnp.float32)
    for number in range(1, STEPS + 1):
        learnt, found = jitted(learnt, *given)
        apart = x @ weights - wanted
        weights -= RATE * 2 / apart.size * x.T @ apart
        if number in (1, 2, 5, 10, STEPS):
            expected = float(np.square(apart).mean())
            print(f"jax {jax.__version__}, step {number}: loss {float(found):.6f}, expected {expected:.6f}")


if __name__ == "__main__":
    main()
