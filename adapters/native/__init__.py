"""What each framework's own users expect of a trained network: a network of its ordinary layers, in its own files.

Nothing here knows the adapters, nor can it: `alone.py` runs one of these files in a process that finds nothing of this
project. Each has FORMATS, `write(layers, weights, folder, name)` and `load(form, layers, folder, name)`, which
returns a function from images (N, C, H, W) to outputs (N, outputs). `layers` are those of the declaration as JSON,
each with its `name` and `input_shape`; weights are float32, by name, in the canonical layout.
Everything is written on the CPU, so that it loads where there is no other device.
"""
