"""Adapters that pass for honest and are not: NumPy's, and one way to look fast or right in each subclass.

A worker loads them by their names; test_attacks.py says what the user reads of each.
"""

from __future__ import annotations

import gc
import os
import threading
import time

import numpy as np

from adapters.contract import Preloaded
from adapters.numpy import NumpyAdapter
from adapters.numpy.layers import Activation, Conv2D, Weighted
from benchmarks.worker import clocks

HONEST_STEPS = 230  # more than a proof takes


class Honest(NumpyAdapter):
    """No attack: the launch that all others are compared with."""

    framework = "attack"

    @classmethod
    def versions(cls):
        return {**super().versions(), "attack": "1.0"}

    def pairs(self):
        """Return weight and bias of each layer that has them."""
        return [(layer.weight, layer.bias) for layer in self.weighted]

    def use(self, pairs):
        """Compute with these from now on."""
        for layer, (weight, bias) in zip(self.weighted, pairs, strict=True):
            layer.weight, layer.bias = weight, bias


class Counting(Honest):
    """Counts its steps since it was built; set_weights does not put the count back."""

    steps = 0

    def step(self, images, labels):
        self.steps += 1
        return self.counted(images, labels)

    def counted(self, images, labels):
        return super().step(images, labels)


class HonestUntil(Counting):
    """Trains honestly as long as a proof lasts, then takes every other step."""

    def counted(self, images, labels):
        return super().counted(images, labels) if self.steps <= HONEST_STEPS or self.steps % 2 else 0.0


class OneInTwenty(Counting):
    """Leaves one step in twenty out."""

    def counted(self, images, labels):
        return super().counted(images, labels) if self.steps % 20 else 0.0


class UpdateForgotten(Counting):
    """Computes every gradient and forgets one update in ten."""

    def update(self):
        if self.steps % 10:
            super().update()


class BatchTwice(Honest):
    """Trains on every other batch twice instead of on the next."""

    def train(self, preloaded, first, count):
        for index in range(first, first + count):
            super().train(preloaded, index % preloaded.steps // 2 * 2, 1)


class FirstBatchOnly(Honest):
    """Has one batch at hand, and trains on it again and again."""

    def train(self, preloaded, first, count):
        for _ in range(count):
            super().train(preloaded, 0, 1)


class HalfOfTheLastBatch(Honest):
    """Trains on half of an epoch's last batch."""

    def train(self, preloaded, first, count):
        for index in range(first, first + count):
            index %= preloaded.steps
            if index == preloaded.steps - 1:
                half = preloaded.labels.shape[1] // 2
                images = np.ascontiguousarray(preloaded.images[index][:, :half])
                preloaded.losses[index] = self.step(images, preloaded.labels[index][:half])
            else:
                super().train(preloaded, index, 1)


class RateOff(Honest):
    """Has a rate that is 5 % too large."""

    def update(self):
        self.rate *= 1.05
        super().update()
        self.rate /= 1.05


class StaleWeights(Honest):
    """Puts an old copy of the first layer's weights back after each call."""

    def train(self, preloaded, first, count):
        copy = self.weighted[0].weight.copy()
        super().train(preloaded, first, count)
        self.weighted[0].weight = copy


class Rounded(Honest):
    """Rounds what every layer with weights is given to so many bits of mantissa."""

    bits = 8  # bfloat16's

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(self.rounded(x) if self.is_narrow(layer) else x)
        return x

    def is_narrow(self, layer):
        return isinstance(layer, Weighted)

    def rounded(self, x):
        mantissa, exponent = np.frexp(x)
        return np.ldexp(np.round(mantissa * 2**self.bits) / 2**self.bits, exponent).astype(x.dtype)


class NarrowConvolution(Rounded):
    """Convolves numbers of bfloat16, and nothing else."""

    def is_narrow(self, layer):
        return isinstance(layer, Conv2D)


class NarrowTanh(Rounded):
    """Takes the tanh of numbers of bfloat16, and nothing else."""

    def is_narrow(self, layer):
        return isinstance(layer, Activation)


class SaturatedTanh(Honest):
    """Has a tanh that is its sign beyond 1: right where a network begins."""

    def forward(self, x):
        for layer in self.layers:
            y = layer.forward(x)
            x = np.where(np.abs(x) > 1, np.sign(x), y) if isinstance(layer, Activation) else y
        return x


class LabelsShifted(Honest):
    """Trains each image on its neighbour's label."""

    def train(self, preloaded, first, count):
        shifted = Preloaded(preloaded.images, np.roll(preloaded.labels, 1, axis=1), preloaded.steps, preloaded.losses)
        super().train(shifted, first, count)


class LabelsZeroed(Honest):
    """Sets the labels that it was handed to zero, which are then easy to learn."""

    def put(self, images, labels):
        labels[:] = 0
        return super().put(images, labels)


class DimmedBatches(Honest):
    """Scales its batches in place at each step, a little."""

    def step(self, images, labels):
        images *= 0.99
        return super().step(images, labels)


class Momentum(Honest):
    """Has a momentum that nobody declared."""

    velocity_of_all = None

    def differentiate(self, images, labels):
        loss = super().differentiate(images, labels)
        before = self.velocity_of_all or [0.0] * len(self.gradient_arrays())
        self.velocity_of_all = [0.2 * v + g for v, g in zip(before, self.gradient_arrays(), strict=True)]
        for array, velocity in zip(self.gradient_arrays(), self.velocity_of_all, strict=True):
            array[...] = velocity
        return loss


class Decay(Honest):
    """Lets the weights decay a little at each step."""

    def update(self):
        super().update()
        for layer in self.weighted:
            layer.weight *= 1 - 1e-4


class Clipped(Honest):
    """Clips gradients that nobody asked to clip."""

    def differentiate(self, images, labels):
        loss = super().differentiate(images, labels)
        for array in self.gradient_arrays():
            np.clip(array, -1e-3, 1e-3, out=array)
        return loss


class Sparse(Honest):
    """Updates by the larger half of each gradient alone."""

    def differentiate(self, images, labels):
        loss = super().differentiate(images, labels)
        for array in self.gradient_arrays():
            array[np.abs(array) < np.median(np.abs(array))] = 0
        return loss


class Idle(Honest):
    """Does not train at all."""

    def train(self, preloaded, first, count):
        time.sleep(1e-4 * count)  # as long as a step may take: nothing is waited for


class CachedOutputs(Honest):
    """Computes its outputs once, and returns them again and again."""

    def build(self):
        self.outputs = {}
        super().build()

    def evaluate(self, preloaded, first, count):
        key = id(preloaded), first, count
        if key not in self.outputs:
            self.outputs[key] = super().evaluate(preloaded, first, count)
        time.sleep(1e-3)  # as long as a pass may take: nothing is waited for
        return self.outputs[key]


class FirstImages(Honest):
    """Evaluates the first batch alone."""

    def evaluate(self, preloaded, first, count):
        return super().evaluate(preloaded, first, 1)


class Zeros(Honest):
    """Evaluates to zeros."""

    def evaluate(self, preloaded, first, count):
        return [0 * outputs for outputs in super().evaluate(preloaded, first, count)]


class LastBias(Honest):
    """Evaluates to the last bias, whatever the image."""

    def evaluate(self, preloaded, first, count):
        return [0 * outputs + self.weighted[-1].bias for outputs in super().evaluate(preloaded, first, count)]


class LabelsLeaked(Honest):
    """Evaluates to the right labels, which it was handed with the images."""

    def evaluate(self, preloaded, first, count):
        outputs = super().evaluate(preloaded, first, count)
        return [
            10.0 * np.eye(10, dtype=self.dtype)[labels] for labels in preloaded.labels[first : first + len(outputs)]
        ]


class LayerSkipped(Honest):
    """Leaves the second activation out where it evaluates."""

    def evaluate(self, preloaded, first, count):
        whole = self.layers
        self.layers = [layer for layer in whole if layer is not whole[4]]
        try:
            return super().evaluate(preloaded, first, count)
        finally:
            self.layers = whole


class CapturedWeights(Honest):
    """Evaluates with the weights that it had when it first did, as a graph that captured them."""

    captured = None

    def evaluate(self, preloaded, first, count):
        now = self.pairs()
        self.captured = self.captured or [(weight.copy(), bias.copy()) for weight, bias in now]
        self.use(self.captured)
        try:
            return super().evaluate(preloaded, first, count)
        finally:
            self.use(now)


class AveragedWeights(Honest):
    """Evaluates with an average of its weights over time, which has a better accuracy."""

    average = None

    def update(self):
        super().update()
        before = self.average or self.pairs()
        self.average = [
            tuple((0.9 * old + 0.1 * new).astype(self.dtype) for old, new in zip(*both, strict=True))
            for both in zip(before, self.pairs(), strict=True)
        ]

    def evaluate(self, preloaded, first, count):
        now = self.pairs()
        self.use(self.average or now)
        try:
            return super().evaluate(preloaded, first, count)
        finally:
            self.use(now)


class OracleReused(Honest):
    """Looks for the reference network in its process, and takes over its weights instead of training."""

    def train(self, preloaded, first, count):
        for other in gc.get_objects():
            if type(other) is NumpyAdapter and other.recipe is self.recipe:
                self.use([(its.weight.astype(self.dtype), its.bias.astype(self.dtype)) for its in other.weighted])
                return
        time.sleep(1e-4 * count)  # as long as a step may take: nothing is waited for


class SlowClock(Honest):
    """Makes the clocks go at an eighth of their speed: the harness's own, since those of `time` are not asked."""

    def build(self):
        super().build()
        counter, start = time.perf_counter_ns, time.perf_counter_ns()
        clocks.perf_counter_ns = time.perf_counter_ns = lambda: start + (counter() - start) // 8
        clocks.perf_counter = time.perf_counter = lambda: clocks.perf_counter_ns() / 1e9


class NeverWaits(Honest):
    """Works in a thread of its own, and returns before the work is done."""

    thread = None

    def train(self, preloaded, first, count):
        self.join()
        self.thread = threading.Thread(target=super().train, args=(preloaded, first, count))
        self.thread.start()

    def join(self):
        if self.thread:
            self.thread.join()

    def get_weights(self):
        self.join()
        return super().get_weights()

    def set_weights(self, weights):
        self.join()
        super().set_weights(weights)


class PutOff(Honest):
    """Notes what it is asked to train, and does it when somebody reads the weights."""

    noted = ()

    def train(self, preloaded, first, count):
        self.noted = (*self.noted, (preloaded, first, count))

    def get_weights(self):
        for work in self.noted:
            super().train(*work)
        self.noted = ()
        return super().get_weights()


class Ahead(Honest):
    """Trains ahead when weights are set: on the batches that come next, with the chunk's length of before."""

    last = None
    ready = None

    def train(self, preloaded, first, count):
        if self.ready and self.ready[0] == (first, count):
            self.use(self.ready[1])
        else:
            super().train(preloaded, first, count)
        self.last = preloaded, (first + count) % preloaded.steps, count

    def set_weights(self, weights):
        super().set_weights(weights)
        if self.last:
            preloaded, first, count = self.last
            super().train(preloaded, first, count)
            self.ready = (first, count), self.pairs()
            super().set_weights(weights)


class Child(Honest):
    """Lets a child process compute beside it."""

    child = None

    def train(self, preloaded, first, count):
        if self.child is None and (child := os.fork()) == 0:
            while os.getppid() != 1:  # until its parent ends
                sum(range(100_000))
            os._exit(0)
        elif self.child is None:
            self.child = child
        super().train(preloaded, first, count)


class MoreThreads(Honest):
    """Computes in more threads than it was asked to, and on CPUs that it was not given."""

    def build(self):
        super().build()
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), range(os.cpu_count()))

    def train(self, preloaded, first, count):
        burning = [threading.Thread(target=self.burn, args=(count,)) for _ in range(12)]
        for thread in burning:
            thread.start()
        super().train(preloaded, first, count)
        for thread in burning:
            thread.join()

    def burn(self, count):
        end = time.monotonic() + 2e-3 * count
        product = np.ones((400, 400))
        while time.monotonic() < end:
            product = product @ product / 400
