"""Micro-benchmarks: what single calls of an adapter cost, timed by pytest-benchmark in each framework's environment.

A sweep measures throughput: many steps between two looks at the clock, a fresh process per launch, a proof first.
Here every call is waited for, so a step holds all of its latency, which asynchronous frameworks and `fused` modes
hide in a sweep; and one process measures all cells of a framework, unproven. cli/machine.py runs in the harness, the
rest in a framework's environment, with the standard library, NumPy, pytest and pytest-benchmark.
"""
