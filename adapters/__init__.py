"""One declaration of each network, and the adapters that follow it: one folder per framework.

Start at contract.py (what an adapter must do), declaration.py (the language), recipes.py (the networks).
The six adapters have the same methods in the same order; a diff of two reads as the list of real differences.
"""
