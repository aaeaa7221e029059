"""Rows on disk: what a line may hold, how it is written and read, and which sweeps belong together."""
