"""The clocks that time a worker, taken before an adapter is loaded: what that does to `time` changes none of them."""

from time import CLOCK_BOOTTIME, clock_gettime, monotonic, perf_counter, perf_counter_ns, process_time, process_time_ns

__all__ = [
    "CLOCK_BOOTTIME",
    "clock_gettime",
    "monotonic",
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
]
