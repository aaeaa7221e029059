"""The harness: expands a sweep into cells, starts one fresh worker per launch, times it, keeps the rows.

One cell in eight hops: __main__ and commands/ parse, cells expands and shuffles, environments finds the interpreter,
runner has launcher make one launch's row: it starts the worker (through launch), worker loads the adapter, the adapter
builds the declared model, speeds times it (by the clock of measure); runner appends the row. worker and what it calls
run inside a framework's environment and import only the standard library, NumPy and that framework.
"""
