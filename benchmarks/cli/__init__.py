"""The commands of `python -m benchmarks`: options are read, work is asked for, answers are shown."""
