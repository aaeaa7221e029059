"""Wrappers: what trains by a framework in place of a loop of one's own, as its tutorial calls it. Arms of a framework.

Each is an adapter as any other (contract.py), held to the same network by the same gate; the registry names them. A
chunk of steps is one call of the wrapper's own loop. On a CPU alone so far.
"""
