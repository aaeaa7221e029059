"""Sweeps over several machines: dask.distributed knows the machines and carries JSON between them.

A driver (`run --engine dask`) hands blocks to members (`join`) through a scheduler (`schedule`). One measured block:
plan.py says which, driver.py sends it by workers.py, member.py receives it on the member, session.py measures it as a
sweep on one machine does, events.py takes its lines, copies.py keeps them. Only the environment `engine` has the
package `distributed`.
"""
