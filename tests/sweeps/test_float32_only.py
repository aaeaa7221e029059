"""The verdict on a framework without float64: what is right is `float32 only`, what is broken still fails.

They break the NumPy adapter, which here says that it has no float64.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from adapters.contract import INPUTS
from adapters.declaration import SGD, Activation, Adam, Dense, Flatten, Model
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from tests.sweeps import broken
from tests.sweeps.test_gate_bites import ADAM, CASES, FED, LENET, MOMENTUM, RECIPE, REFUSED, prove

assert prove  # the fixture
LACKS = "it computes exp in float32"
SMALL = Model("small", (Flatten(), Dense(16), Activation("tanh"), Dense(10)))


def without_float64(adapter_class):
    """Return the adapter class, which says that it has no float64."""

    class Single(adapter_class):
        @classmethod
        def unsupported(cls, device, mode, dtype, input="preloaded"):
            return LACKS if dtype == "float64" else super().unsupported(device, mode, dtype, input)

    Single.__name__ = adapter_class.__name__
    return Single


class OnePerCent(NumpyAdapter):
    def build(self):
        super().build()
        self.set_rate(self.rate)

    def set_rate(self, rate):
        self.rate = rate * 1.01


class Slightly(OnePerCent):
    """The least that is caught of a rate, whatever the recipe; in float64 it would be 1e-9."""

    def set_rate(self, rate):
        self.rate = rate * (1 + 1e-4)


class LargerEpsilon(NumpyAdapter):
    def build(self):
        self.recipe = replace(self.recipe, optimiser=replace(self.recipe.optimiser, epsilon=1e-7))
        super().build()


class LeavesOut(NumpyAdapter):
    """Leaves out the third step since weights were set: single steps know none but the first."""

    def set_weights(self, weights):
        super().set_weights(weights)
        self.taken = 0

    def update(self):
        self.taken += 1
        if self.taken != 3:
            super().update()


class MomentumOff(NumpyAdapter):
    def update(self):
        for velocity in self.velocity:
            velocity *= 0.999
        super().update()


@pytest.mark.parametrize("recipe", [RECIPE, LENET, MOMENTUM, ADAM, RECIPES["lenet_tutorial"]])
@pytest.mark.parametrize("input", INPUTS)
def test_what_is_right_is_verified_in_float32_only(prove, recipe, input):
    verdict = prove(without_float64(NumpyAdapter), recipe, "float32", input)
    assert (verdict["lockstep"], verdict["why"]) == ("float32 only", LACKS)
    assert verdict["float64_deviation"] is None
    assert set(verdict["by_step"]) == {"1", "2", "5", "10"}


# Smaller than float32's bounds: only the full gate sees a rate off by 1e-6.
UNSEEN = {"rate off by 1e-6", "float32 where float64 was asked"}


@pytest.mark.parametrize("name", sorted(CASES.keys() - REFUSED - UNSEEN))
def test_what_the_full_gate_catches_is_caught(prove, name):
    adapter_class, recipe, _ = CASES[name]
    verdict = prove(without_float64(adapter_class), recipe, "float32")
    print(f"{name}: {verdict['why']}")
    assert verdict["lockstep"] == "fail"


@pytest.mark.parametrize("name", FED)
def test_a_broken_feed_is_caught(prove, name):
    adapter_class, _ = FED[name]
    verdict = prove(without_float64(adapter_class), RECIPE, "float32", input="host")
    print(f"{name}: {verdict['why']}")
    assert verdict["lockstep"] == "fail"


ATTACKS = {
    "rate off by 1 %": (OnePerCent, RECIPE),
    "rate off by 1 %, lenet": (OnePerCent, LENET),
    "rate off by 1 %, a slow one": (OnePerCent, RECIPES["cnn_28_dense"]),
    "rate off by 1e-4": (Slightly, RECIPE),
    "rate off by 1e-4, Adam": (Slightly, ADAM),
    "rate off by 1e-4, a slow one": (Slightly, replace(RECIPE, optimiser=SGD(0.0001))),
    "a larger epsilon": (LargerEpsilon, ADAM),
    "a step left out": (LeavesOut, RECIPE),
    "a step left out, lenet": (LeavesOut, LENET),
    "a step left out, Adam": (LeavesOut, ADAM),
    "a step left out, momentum": (LeavesOut, MOMENTUM),
    "momentum off by a thousandth": (MomentumOff, MOMENTUM),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_adapter_that_passes_for_honest_is_caught(prove, name):
    adapter_class, recipe = ATTACKS[name]
    verdict = prove(without_float64(adapter_class), recipe, "float32")
    print(f"{name}: {verdict['why']}")
    assert verdict["lockstep"] == "fail"
    assert re.match(r"float32(,| losses part| (loss|gradient|weights|outputs) )", verdict["why"])


def test_a_saturated_tanh_is_caught_at_trained_weights(prove):
    recipe = replace(RECIPE, model=SMALL, optimiser=SGD(0.05))
    verdict = prove(without_float64(broken.with_saturated_tanh(1.8)), recipe, "float32", steps=60)
    print(verdict["why"])
    assert verdict["lockstep"] == "fail"


@pytest.mark.parametrize("optimiser", [SGD(0.1), SGD(0.05, momentum=0.9), Adam(0.001)])
def test_a_step_left_out_after_the_short_runs_parts_the_long_one(prove, optimiser):
    class LeavesOutTheTenth(LeavesOut):
        def update(self):
            self.taken += 1
            if self.taken != 10:
                NumpyAdapter.update(self)

    why = prove(without_float64(LeavesOutTheTenth), replace(RECIPE, optimiser=optimiser), "float32")["why"]
    print(why)
    assert re.match(r"float32 losses part at step 11 by .* look at what is kept from step to step", why)


def test_what_is_narrow_is_verified_in_float32_only_too(prove):
    verdict = prove(without_float64(broken.with_operands(7, "bfloat16")), RECIPE, "bfloat16")
    assert (verdict["lockstep"], verdict["why"]) == ("float32 only", LACKS)
    assert prove(without_float64(broken.HalfTheGradients), RECIPE, "bfloat16")["lockstep"] == "fail"


def test_weights_that_are_not_finite_fail(prove):
    class Overflows(NumpyAdapter):
        def update(self):
            super().update()
            if self.step_count == 5:
                self.weighted[0].weight[:] = np.nan

    verdict = prove(without_float64(Overflows), RECIPE, "float32", steps=4)
    assert verdict["why"].endswith("though single steps agree: dense1.weight is not finite")
