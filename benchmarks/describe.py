"""`describe`: what a declared model is and costs, layer by layer."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rich.table import Table

from adapters.declaration import Recipe
from benchmarks.flops import layer_costs, step_all_flops

COUNTS = ("forward_flops", "training_flops", "all_forward_flops", "all_training_flops")


def describe(recipe: Recipe, batch_size: int) -> dict[str, Any]:
    """Return layers and totals as plain JSON values; FLOPs are for the whole batch, shapes without its axis.

    `all_training_flops` in total counts the loss and the recipe's optimiser too, which belong to no layer.
    """
    model = recipe.model
    costs = layer_costs(model, batch_size)
    return {
        "model": model.name,
        "batch_size": batch_size,
        "input_shape": list(model.input_shape),
        "layers": [
            {
                "layer": type(cost.layer).__name__,
                "settings": {field.name: getattr(cost.layer, field.name) for field in fields(cost.layer)},
                "weight_shape": list(cost.weight_shape) if cost.weight_shape else None,
                "parameters": cost.parameters,
                "output_shape": list(cost.output_shape),
                **{name: getattr(cost, name) for name in COUNTS},
            }
            for cost in costs
        ],
        "parameters": model.parameter_count,
        **{name: sum(getattr(cost, name) for cost in costs) for name in COUNTS},
        "all_training_flops": step_all_flops(recipe, batch_size),
    }


def as_table(described: dict[str, Any]) -> Table:
    """Return the same as a table for the terminal."""
    title = f"{described['model']}, input {described['input_shape']}, batch of {described['batch_size']}"
    table = Table(title=title, show_footer=True)
    footers = ["total", "", f"{described['parameters']:,}", ""]
    footers += [f"{described[kind]:,}" for kind in COUNTS]
    headings = ["layer", "weight shape", "parameters", "output shape", "forward FLOP", "training FLOP"]
    headings += ["all forward FLOP", "all training FLOP"]
    for index, (heading, footer) in enumerate(zip(headings, footers, strict=True)):
        table.add_column(heading, footer, justify="left" if index in (0, 1, 3) else "right")
    for layer in described["layers"]:
        settings = " ".join(f"{name}={value}" for name, value in layer["settings"].items())
        table.add_row(
            f"{layer['layer']} {settings}".strip(),
            "x".join(map(str, layer["weight_shape"] or [])),
            f"{layer['parameters']:,}",
            "x".join(map(str, layer["output_shape"])),
            *(f"{layer[kind]:,}" for kind in COUNTS),
        )
    known = sum(layer["all_training_flops"] for layer in described["layers"])
    rest = f"{described['all_training_flops'] - known:,}"
    table.add_row("loss and optimiser", *[""] * (len(headings) - 2), rest)
    return table
