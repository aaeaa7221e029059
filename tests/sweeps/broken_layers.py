"""Adapters broken on purpose in the layers of today, one fault each: conventions on which libraries really differ."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from unittest import mock

import numpy as np

from adapters import declaration
from adapters.numpy import NumpyAdapter, functions, layers
from adapters.numpy.images import BatchNorm, Conv2D
from adapters.numpy.tokens import LSTM, LayerNorm, Patches, RMSNorm, SelfAttention


def making(kind, make):
    """Return an adapter that makes layers of a declared kind in another way."""

    class Made(NumpyAdapter):
        def build(self):
            with mock.patch.dict(layers.MADE, {kind: make}):
                super().build()

    return Made


# Norms


ReversedMomentum = making(declaration.BatchNorm, lambda norm: BatchNorm(replace(norm, momentum=1 - norm.momentum)))


class SumsOneByOne(BatchNorm):
    """Is honest: sums many values one after another, so that its deviations are off as torch's are, channels last."""

    def forward(self, x):
        y = super().forward(x)
        if self.training and y.dtype == np.float64:
            share = 6e-14 * np.random.default_rng(len(self.mean)).uniform(-1, 1, len(self.mean))
            y += self.along(self.weight * share) * self.normal
        return y


OneByOne = making(declaration.BatchNorm, SumsOneByOne)


class RateALittleOff(OneByOne):
    """Has a rate that is off by 1e-8 besides."""

    def set_rate(self, rate):
        super().set_rate(rate * (1 + 1e-8))

    def build(self):
        super().build()
        self.rate *= 1 + 1e-8


class Unbiased(BatchNorm):
    """Keeps the variance divided by one less than the number, as torch and paddle do."""

    def forward(self, x):
        y = super().forward(x)
        if self.training:
            count = x.size // len(self.mean)
            added = self.variance_next - self.momentum * self.variance
            self.variance_next = self.momentum * self.variance + added * count / (count - 1)
        return y


UnbiasedRunningVariance = making(declaration.BatchNorm, Unbiased)


class SlightlyLarger(BatchNorm):
    """As an unbiased variance is of ten million values."""

    def forward(self, x):
        y = super().forward(x)
        if self.training:
            self.variance_next = self.variance_next * (1 + 1e-8)
        return y


SlightlyLargerVariance = making(declaration.BatchNorm, SlightlyLarger)


class OutsideTheRoot(BatchNorm):
    def __init__(self, declared):
        super().__init__(declared)
        self.declared = declared.epsilon

    def forward(self, x):
        variance = x.var(axis=(1, 2, 3)) if self.training else self.variance
        self.epsilon = self.declared * (self.declared + 2 * np.sqrt(variance))
        return super().forward(x)


EpsilonOutsideTheRoot = making(declaration.BatchNorm, OutsideTheRoot)


class EvaluatesByTheBatch(NumpyAdapter):
    def train_mode(self, training):
        pass


class MovesInEvaluations(NumpyAdapter):
    """Normalises by the running statistics, and moves them all the same."""

    def evaluate(self, preloaded, first, count):
        outputs = super().evaluate(preloaded, first, count)
        self.forward(preloaded.images[first])
        for layer in self.keeping:
            layer.mean, layer.variance = layer.mean_next, layer.variance_next
        return outputs


class TrainsByTheRunning(NumpyAdapter):
    """Normalises by the running statistics in training, too, as a network does that is left in its other mode."""

    def differentiate(self, images, labels):
        loss = super().differentiate(images, labels)
        self.train_mode(False)
        loss, _ = functions.loss(self.recipe, self.forward(images), labels)
        self.train_mode(True)
        return loss


class UnbiasedLayerNorm(LayerNorm):
    def __init__(self, epsilon):
        super().__init__(epsilon)
        self.declared = epsilon

    def forward(self, x):
        self.epsilon = self.declared + x.var(axis=-1, keepdims=True) / (x.shape[-1] - 1)
        return super().forward(x)


LayerNormUnbiased = making(declaration.LayerNorm, lambda layer: UnbiasedLayerNorm(layer.epsilon))


class RMSOutsideTheRoot(RMSNorm):
    """Divides by sqrt(mean(x^2)) + epsilon."""

    def __init__(self, epsilon):
        super().__init__(epsilon)
        self.declared = epsilon

    def forward(self, x):
        self.epsilon = self.declared * (self.declared + 2 * np.sqrt(np.square(x).mean(axis=-1, keepdims=True)))
        return super().forward(x)


RMSNormEpsilonOutsideTheRoot = making(declaration.RMSNorm, lambda layer: RMSOutsideTheRoot(layer.epsilon))


class AddedToOne(RMSNorm):
    """Multiplies by 1 + weight, as Gemma does, whose weight begins with 0."""

    def forward(self, x):
        y = super().forward(x)
        y += self.normal
        return y


RMSNormWeightAddedToOne = making(declaration.RMSNorm, lambda layer: AddedToOne(layer.epsilon))


# Attention, an LSTM, groups: weights whose parts are taken in another order


def ordered(kind, orders):
    """Return a layer that reads its weights in another order: orders(layer) by name is (axis, indices)."""

    class Ordered(kind):
        @contextlib.contextmanager
        def turned(self):
            kept = {name: getattr(self, name) for name in orders(self)}
            for name, (axis, order) in orders(self).items():
                setattr(self, name, kept[name].take(order, axis))
            yield
            for name, array in kept.items():
                setattr(self, name, array)

        def forward(self, x):
            with self.turned():
                return super().forward(x)

        def backward(self, dy):
            with self.turned():
                dx = super().backward(dy)
            for name, (axis, order) in orders(self).items():
                gradient = getattr(self, f"{name}_gradient").take(np.argsort(order), axis)
                setattr(self, f"{name}_gradient", gradient)
            return dx

    return Ordered


def _gates_of_onnx(lstm):  # i, o, f, g
    order = np.arange(4 * lstm.units).reshape(4, -1)[[0, 2, 3, 1]].ravel()
    return {"weight": (1, order), "recurrent_weight": (1, order), "bias": (0, order)}


def _interleaved(attention):
    width = len(attention.weight)
    order = np.arange(width).reshape(-1, attention.heads).T.ravel()
    return {"weight": (1, np.concatenate([order + part * width for part in range(3)])), "output_weight": (0, order)}


def _shuffled(convolution):
    return {"weight": (0, np.roll(np.arange(len(convolution.weight)), 1))} if convolution.groups > 1 else {}


GatesInAnotherOrder = making(declaration.LSTM, ordered(LSTM, _gates_of_onnx))
HeadsInterleaved = making(declaration.SelfAttention, lambda layer: ordered(SelfAttention, _interleaved)(layer.heads))
GroupsShuffled = making(declaration.Conv2D, ordered(Conv2D, _shuffled))


class Unscaled(SelfAttention):
    scale = property(lambda self: 1.0, lambda self, value: None)


AttentionUnscaled = making(declaration.SelfAttention, lambda layer: Unscaled(layer.heads))


class FirstOutput(LSTM):
    """Takes the first step's output for the last one's, as one does who has steps and batch the wrong way round."""

    def __init__(self, declared):
        super().__init__(replace(declared, sequence=True))

    def forward(self, x):
        return super().forward(x)[:, 0]

    def backward(self, dy):
        every = np.zeros((len(dy), len(self.gates), self.units), dy.dtype)
        every[:, 0] = dy
        return super().backward(every)


LastOutputOfTheFirstStep = making(declaration.LSTM, FirstOutput)


# Other layers


TanhGelu = making(
    declaration.Activation,
    lambda layer: functions.Activation("gelu_tanh" if layer.function == "gelu" else layer.function),
)


class ByColumns(Patches):
    def cut(self, images):
        return super().cut(images).swapaxes(1, 2)


PatchesByColumns = making(declaration.Patches, lambda layer: ByColumns(layer.height, layer.width))


class NoShortcut(layers.Residual):
    def forward(self, x):
        layers.forward(self.shortcut, x)
        return layers.forward(self.branch, x)

    def backward(self, dy):
        layers.backward(self.shortcut, np.zeros_like(dy))
        return layers.backward(self.branch, dy)


class ShortcutLeftOut(NumpyAdapter):
    def build(self):
        with mock.patch.object(layers, "Residual", NoShortcut):
            super().build()


# Loss and update


class DecayInTheGradient(NumpyAdapter):
    """Adam with what is called L2: the decay goes through the moments."""

    def update(self):
        declared, adam = self.recipe, self.recipe.optimiser
        for w, g in zip(self.arrays(), self.gradient_arrays(), strict=True):
            g += adam.weight_decay * w
        self.recipe = replace(declared, optimiser=replace(adam, weight_decay=0.0))
        super().update()
        self.recipe = declared


class DecaysNoVectors(NumpyAdapter):
    """Leaves out biases and norms, as many programs do and nothing here declares."""

    def update(self):
        decay = 1 - self.rate * self.recipe.optimiser.weight_decay
        for w in self.arrays():
            if w.ndim == 1:
                w /= decay
        super().update()


class SmoothedOverTheOthers(NumpyAdapter):
    """Gives what smoothing takes from the label to the K - 1 other classes alone."""

    def differentiate(self, images, labels):
        outputs = self.forward(images)
        classes = outputs.shape[1]
        smoothing = self.recipe.label_smoothing * classes / (classes - 1)
        loss, gradient = functions.cross_entropy(outputs, labels, smoothing)
        self.backward(gradient)
        return loss


class PlainMomentum(NumpyAdapter):
    """Knows no Nesterov."""

    def update(self):
        declared = self.recipe
        self.recipe = replace(declared, optimiser=replace(declared.optimiser, nesterov=False))
        super().update()
        self.recipe = declared
