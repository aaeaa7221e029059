"""`describe`: what a declared model is and costs, layer by layer."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rich.table import Table

from adapters.declaration import Model
from benchmarks.flops import layer_costs


def describe(model: Model, batch_size: int) -> dict[str, Any]:
    """Return layers and totals as plain JSON values; FLOPs are for the whole batch, shapes without its axis."""
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
                "forward_flops": cost.forward_flops,
                "training_flops": cost.training_flops,
            }
            for cost in costs
        ],
        "parameters": model.parameter_count,
        "forward_flops": sum(cost.forward_flops for cost in costs),
        "training_flops": sum(cost.training_flops for cost in costs),
    }


def as_table(described: dict[str, Any]) -> Table:
    """Return the same as a table for the terminal."""
    title = f"{described['model']}, input {described['input_shape']}, batch of {described['batch_size']}"
    table = Table(title=title, show_footer=True)
    footers = ["total", "", f"{described['parameters']:,}", ""]
    footers += [f"{described[kind]:,}" for kind in ("forward_flops", "training_flops")]
    headings = ("layer", "weight shape", "parameters", "output shape", "forward FLOP", "training FLOP")
    for index, (heading, footer) in enumerate(zip(headings, footers, strict=True)):
        table.add_column(heading, footer, justify="left" if index in (0, 1, 3) else "right")
    for layer in described["layers"]:
        settings = " ".join(f"{name}={value}" for name, value in layer["settings"].items())
        table.add_row(
            f"{layer['layer']} {settings}".strip(),
            "x".join(map(str, layer["weight_shape"] or [])),
            f"{layer['parameters']:,}",
            "x".join(map(str, layer["output_shape"])),
            f"{layer['forward_flops']:,}",
            f"{layer['training_flops']:,}",
        )
    return table
