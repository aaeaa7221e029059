"""Speeds (samples/s) of sets whose comparison is known, and what makes a set the later one."""

from __future__ import annotations

LATER = {"sweep": "20260201T000000-bbbbbb"}
STEADY = (1000.0, 1010.0, 990.0, 1005.0, 995.0, 1002.0)
SLOWER = tuple(0.9 * speed for speed in STEADY)
