"""The commands of `python -m report`, a file each."""
