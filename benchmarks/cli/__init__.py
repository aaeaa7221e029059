"""The commands of `python -m benchmarks`, a file each: options are read, work is asked for, answers are shown."""
