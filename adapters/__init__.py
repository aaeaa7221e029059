"""One declaration of each network, and the adapters that follow it: one folder per framework.

Start at contract.py (what an adapter must do), declaration.py (the language), networks/ (the networks, as files).
The adapters have their methods in the contract's order; a diff of two reads as the list of real differences.
What most frameworks share stands in the contract once; an adapter overrides it where its framework differs.
"""
