"""Adapters broken on purpose, one fault each; what they get wrong is what real adapters got wrong somewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from adapters.contract import Preloaded
from adapters.declaration import Model
from adapters.numpy import NumpyAdapter, layers
from adapters.numpy.functions import Activation


def with_layer(old, new):
    """Return an adapter that builds `new` wherever `old` is declared."""

    class Exchanged(NumpyAdapter):
        def build(self):
            declared = self.recipe
            layers = tuple(new if layer == old else layer for layer in declared.model.layers)
            self.recipe = replace(declared, model=Model("exchanged", layers))
            try:
                super().build()
            finally:
                self.recipe = declared

    return Exchanged


class ForgottenBias(NumpyAdapter):
    def differentiate(self, images, labels):
        loss = super().differentiate(images, labels)
        self.weighted[1].bias_gradient = np.zeros_like(self.weighted[1].bias_gradient)
        return loss


class WrongRate(NumpyAdapter):
    def set_rate(self, rate):
        self.rate = rate * (1 + 1e-6)

    def build(self):
        super().build()
        self.set_rate(self.rate)


class SummedLoss(NumpyAdapter):
    def differentiate(self, images, labels):
        loss = super().differentiate(images, labels)
        n = len(labels)
        for layer in self.weighted:
            layer.weight_gradient = layer.weight_gradient * n
            layer.bias_gradient = layer.bias_gradient * n
        return loss * n


class Dampened(NumpyAdapter):
    def update(self):
        first = self.step_count == 0
        for layer in self.weighted if not first else ():
            layer.weight_gradient = layer.weight_gradient * 0.1
            layer.bias_gradient = layer.bias_gradient * 0.1
        super().update()


def with_adam(step):
    """Return an adapter whose Adam takes other steps: step(m, v, corrections, epsilon) times the rate."""

    class OtherAdam(NumpyAdapter):
        def update(self):
            self.step_count += 1
            adam = self.recipe.optimiser
            corrections = adam.corrections(self.step_count)
            for w, g, m, v in zip(self.arrays(), self.gradient_arrays(), self.velocity, self.square, strict=True):
                m += (1 - adam.beta1) * (g - m)
                v += (1 - adam.beta2) * (g * g - v)
                w -= self.rate * step(m, v, corrections, adam.epsilon)

    return OtherAdam


EpsilonInsideTheRoot = with_adam(lambda m, v, c, epsilon: m / c[0] / np.sqrt(v / c[1] + epsilon))
EpsilonHat = with_adam(lambda m, v, c, epsilon: np.sqrt(c[1]) / c[0] * m / (np.sqrt(v) + epsilon))  # Keras, mxnet
NoBiasCorrection = with_adam(lambda m, v, c, epsilon: m / (np.sqrt(v) + epsilon))


class WrongFlatten(NumpyAdapter):
    """Flattens height, width, channel; the next layer's weights are not permuted."""

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
            if isinstance(layer, layers.Reshape):
                c, n, h, w = layer.x_shape
                x = np.ascontiguousarray(x.reshape(n, c, h, w).transpose(0, 2, 3, 1)).reshape(n, -1)
        return x


class ShiftedOrder(NumpyAdapter):
    def train(self, preloaded, first, count):
        images, labels = (list(part) for part in (preloaded.images, preloaded.labels))
        shifted = Preloaded(images[1:] + images[:1], labels[1:] + labels[:1], preloaded.steps, preloaded.losses)
        super().train(shifted, first, count)


class DropsTheLastBatch(NumpyAdapter):
    def train(self, preloaded, first, count):
        for index in range(first, first + count):
            if index % preloaded.steps != preloaded.steps - 1:
                super().train(preloaded, index, 1)


class DropsTheLastTestBatch(NumpyAdapter):
    def evaluate(self, preloaded, first, count):
        return super().evaluate(preloaded, first, max(1, count - 1))


class RawPixels(NumpyAdapter):
    def put(self, images, labels):
        return super().put(images * np.asarray(255, images.dtype), labels)


class FeedOfRawPixels(NumpyAdapter):
    def feed(self, images, labels, order):
        return super().feed(images * np.asarray(255, images.dtype), labels, order)


class FeedShifted(NumpyAdapter):
    def feed(self, images, labels, order):
        return super().feed(images, labels, np.roll(order, -1, axis=0))


class FeedWithoutOrder(NumpyAdapter):
    def feed(self, images, labels, order):
        return super().feed(images, labels, np.arange(order.size).reshape(order.shape))


class FeedOfOtherLabels(NumpyAdapter):
    def feed(self, images, labels, order):
        return super().feed(images, np.roll(labels, 1), order)


class FeedThatStandsStill(NumpyAdapter):
    def feed(self, images, labels, order):
        return super().feed(images, labels, np.broadcast_to(order[:1], order.shape))


class Float32Inside(NumpyAdapter):
    def forward(self, x):
        return super().forward(x.astype(np.float32)).astype(np.float32).astype(self.dtype)


class Float32Throughout(NumpyAdapter):
    """Answers to every precision and computes them all in float32, as one does whose autocast has no effect."""

    @classmethod
    def unsupported(cls, device, mode, dtype, input="preloaded"):
        return None


def with_operands(mantissa_bits, precision="float32"):
    """Return an adapter whose products in a precision are of narrower operands: 10 bits is TF32, 7 is bfloat16."""

    class Narrow(Float32Throughout):
        def build(self):
            super().build()
            for layer in self.weighted if self.precision == precision else ():
                narrow_operands(layer, mantissa_bits)

    return Narrow


class NarrowTrainingAlone(with_operands(7, "bfloat16")):
    """Evaluates outside of autocast."""

    def evaluate(self, preloaded, first, count):
        exact = Float32Throughout(self.recipe, dtype="bfloat16")
        exact.set_weights(self.get_weights())
        return exact.evaluate(preloaded, first, count)


class NarrowGradientsAlone(with_operands(7, "bfloat16")):
    """Trains outside of autocast and shows gradients from within."""

    def step(self, images, labels):
        if self.precision != "bfloat16":
            return super().step(images, labels)
        exact = Float32Throughout(self.recipe, dtype="bfloat16")
        exact.set_weights(self.get_weights())
        loss = exact.step(images, labels)
        self.set_weights(exact.get_weights())
        return loss


class HalfTheGradients(with_operands(7, "bfloat16")):
    """Leaves the loss scale in the gradients, or takes it out twice."""

    def differentiate(self, images, labels):
        loss = super().differentiate(images, labels)
        for layer in self.weighted if self.precision == "bfloat16" else ():
            layer.weight_gradient, layer.bias_gradient = layer.weight_gradient / 2, layer.bias_gradient / 2
        return loss


class WrongBiasInNarrow(with_operands(7, "bfloat16")):
    def forward(self, x):
        outputs = super().forward(x)
        return outputs + np.asarray(0.05 if self.precision == "bfloat16" else 0, outputs.dtype)


def narrow_operands(layer, mantissa_bits):
    forward, backward = layer.forward, layer.backward

    def exact_weight_apart(product, operand):
        exact, layer.weight = layer.weight, narrow(layer.weight, mantissa_bits)
        try:
            return product(narrow(operand, mantissa_bits))
        finally:
            layer.weight = exact

    layer.forward = lambda x: exact_weight_apart(forward, x)
    layer.backward = lambda dy: exact_weight_apart(backward, dy)


def narrow(array, mantissa_bits):
    """Round float32 values to fewer explicit bits of mantissa, to nearest, ties to even."""
    dropped = 23 - mantissa_bits
    bits = np.ascontiguousarray(array).view(np.uint32)
    half = ((bits >> dropped) & 1) + np.uint32((1 << (dropped - 1)) - 1)
    return ((bits + half) & np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)).view(np.float32)


class StaleEvaluation(NumpyAdapter):
    def set_weights(self, weights):
        super().set_weights(weights)
        self.stale = [array.copy() for array in self.arrays()]

    def train(self, preloaded, first, count):
        for index in range(first, first + count):
            self.stale = [array.copy() for array in self.arrays()]
            super().train(preloaded, index, 1)

    def evaluate(self, preloaded, first, count):
        kept = [array.copy() for array in self.arrays()]
        for array, old in zip(self.arrays(), self.stale, strict=True):
            array[...] = old
        outputs = super().evaluate(preloaded, first, count)
        for array, new in zip(self.arrays(), kept, strict=True):
            array[...] = new
        return outputs


class SoftmaxTwice(NumpyAdapter):
    def build(self):
        super().build()
        if len(self.recipe.model.shapes()[-1]) == 1 and self.recipe.model.outputs == 10:
            self.layers.append(Activation("softmax"))


class OwnInitialiser(NumpyAdapter):
    """Glorot with the fans of a Keras kernel: what set_weights was given is thrown away."""

    def set_weights(self, weights):
        changed = {name: array * 1.1 if name == "dense1.weight" else array for name, array in weights.items()}
        super().set_weights(changed)


class SkipsBackward(NumpyAdapter):
    """Three times as fast, because it learns nothing."""

    def differentiate(self, images, labels):
        self.forward(images)
        for layer in self.weighted:
            layer.weight_gradient, layer.bias_gradient = np.zeros_like(layer.weight), np.zeros_like(layer.bias)
        return 2.3


class ZeroesLabels(NumpyAdapter):
    """Writes into the labels it was handed, in one dtype alone, so that the free run stays right."""

    def put(self, images, labels):
        if self.dtype == "float32":
            labels[...] = 0
        return super().put(images, labels)


class ScalesItsBatch(NumpyAdapter):
    """Normalises the resident batch in place at each step, in one dtype alone."""

    def step(self, images, labels):
        loss = super().step(images, labels)
        if self.dtype == "float32":
            images *= np.float32(0.9)
        return loss


class ScalesItsTestBatch(NumpyAdapter):
    def evaluate(self, preloaded, first, count):
        outputs = super().evaluate(preloaded, first, count)
        preloaded.images *= np.asarray(0.9, self.dtype)
        return outputs


class TrainsWhatItWasHanded(NumpyAdapter):
    """Keeps the very arrays that set_weights was handed, and trains them."""

    def set_weights(self, weights):
        super().set_weights(weights)
        for layer, (weight, bias) in zip(self.weighted, self.pairs(weights), strict=True):
            if weight.dtype == self.dtype:
                layer.weight, layer.bias = weight, bias

    def pairs(self, weights):
        arrays = [weights[parameter.name] for parameter in self.recipe.model.parameters()]
        return zip(arrays[::2], arrays[1::2], strict=True)


def with_saturated_tanh(beyond):
    """Return an adapter whose tanh in float32 is the sign beyond a value."""

    class Saturated(NumpyAdapter):
        def build(self):
            super().build()
            for layer in self.layers if self.dtype == "float32" else ():
                if getattr(layer, "function", "") == "tanh":
                    layer.forward = self.saturated(layer.forward)

        @staticmethod
        def saturated(forward):
            def changed(x):
                y = forward(x)
                np.copyto(y, np.sign(x), where=np.abs(x) > beyond)
                return y

            return changed

    return Saturated


def evaluating(change, mantissa_bits, precision):
    """Return an adapter whose outputs in a precision are change(outputs, last bias)."""

    class Changed(with_operands(mantissa_bits, precision)):
        def evaluate(self, preloaded, first, count):
            found = super().evaluate(preloaded, first, count)
            return [change(part, self.weighted[-1].bias) for part in found] if self.precision == precision else found

    return Changed


def zeros(outputs, bias):
    return np.zeros_like(outputs)


def last_bias(outputs, bias):
    return np.broadcast_to(bias, outputs.shape).copy()


def mean_output(outputs, bias):
    return np.broadcast_to(outputs.mean(axis=0), outputs.shape).copy()
