"""What it costs or gains to replace a framework's own optimiser: python tests/baselines/optimisers.py tensorflow.

Run it as ratios.py, whose pairs it uses: the same adapter with the framework's optimiser in its place, in turn with
the adapter as it is. Only tensorflow (Keras) and mxnet (gluon.Trainer) have built-ins that differ from the
declaration; torch's and paddle's are used as they are, and jax has none.
"""

from __future__ import annotations

import argparse
import os
import warnings
from dataclasses import replace

import numpy as np

from tests.baselines import digits, ratios


def keras():
    import tensorflow as tf

    from adapters.declaration import SGD
    from adapters.tensorflow import TensorflowAdapter

    class Keras(TensorflowAdapter):
        def build(self):
            declared = self.recipe.optimiser
            if isinstance(declared, SGD):
                self.own = tf.keras.optimizers.SGD(declared.rate, declared.momentum)
            else:
                self.own = tf.keras.optimizers.Adam(declared.rate, declared.beta1, declared.beta2, declared.epsilon)
            super().build()
            self.own.build(self.parameters)

        def update(self, gradients):
            self.own.apply_gradients(zip(gradients, self.parameters, strict=True))

    return TensorflowAdapter, Keras


def gluon():
    import mxnet as mx

    from adapters.declaration import SGD
    from adapters.mxnet import MxnetAdapter

    class Gluon(MxnetAdapter):
        def build(self):
            super().build()
            declared = self.recipe.optimiser
            if isinstance(declared, SGD):
                settings = "sgd", {"learning_rate": declared.rate, "momentum": declared.momentum}
            else:
                settings = "adam", {"learning_rate": declared.rate}
            self.own = mx.gluon.Trainer(self.network.collect_params(), *settings, kvstore=None)

        def update(self):
            for block in self.blocks:  # a bound program writes gradients without gluon's knowing
                block._fresh_grad = True
            self.own.step(1)  # the loss is a mean already

    return MxnetAdapter, Gluon


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("framework", choices=["tensorflow", "mxnet"])
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--data", default=os.environ.get("LOCKSTEP_DATA"), help=digits.HELP)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    ratios.fix_environment(options.threads)
    warnings.simplefilter("ignore")
    from adapters.declaration import SGD, Adam
    from adapters.recipes import RECIPES

    ours, theirs = {"tensorflow": keras, "mxnet": gluon}[options.framework]()
    ours.set_threads(options.threads)
    images, labels = digits.batches(*digits.load(options.data), 100)
    for name in ("mlp", "lenet"):
        for label, optimiser in (("SGD", SGD(0.01)), ("momentum", SGD(0.01, 0.9)), ("Adam", Adam(0.001))):
            recipe = replace(RECIPES[name], optimiser=optimiser)
            mode = ours.recommended_mode(recipe.model, "cpu")
            pair = (adapter(recipe, "cpu", mode) for adapter in (theirs, ours))
            built_in, replaced = (ratios.adapter_loop(a, ratios.placed(a, recipe, images, labels)) for a in pair)
            rates = ratios.compare(built_in, replaced, options.pairs, 100)
            found = [ours_rate / their_rate for their_rate, ours_rate in rates]
            print(
                f"{options.framework} {mode} {name} {label}: ours / built-in {np.median(found):.3f} "
                f"[{min(found):.3f}, {max(found):.3f}]",
                flush=True,
            )


if __name__ == "__main__":
    main()
