"""The harness: expands a sweep into cells, starts one fresh worker per launch, times it, keeps the rows.

A cell's way through the packages:

    cli      what you typed, what you are shown
    plan     the cells, their order, the data they train on
    machine  what they run on: interpreters, cores, cards, noise; one measurement at a time
    launch   one fresh process: start it, end it, judge it; probes, proofs, ceilings
    worker   inside the framework's environment: prove, time, train (standard library, NumPy, the framework)
    record   rows on disk
    sweep    the loop over plan to record; sweep/dask the same over several machines
    models   what was trained: checkpoints, evaluation, exchange, prediction, the demo
    checks   is the machine fit, are results comparable, does the measuring measure
"""
