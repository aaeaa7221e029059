"""One launch: where its worker runs, the fresh process, its outcome and its row; the probe, proof and ceilings before.

process -> outcome start a worker and judge its end; probe, proof and ceilings are launches that a sweep makes
first; target and launcher make one row of one planned launch.
"""
