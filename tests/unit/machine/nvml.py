"""A pretended NVML: cards that say what a test lets them say. The calls are those of nvidia-ml-py."""

from __future__ import annotations

from types import SimpleNamespace


class NVMLError(Exception):
    pass


class Pretended:
    """Two cards; every reading of the first moves its energy counter by 5 J and its clock as `clocks` says."""

    NVMLError = NVMLError
    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, clocks=(1980,), throttles=0, silent=(), processes=(0,), load=0):
        self.clocks, self.throttles, self.silent = list(clocks), throttles, silent
        self.load = load
        self.processes, self.energy_mj, self.used = list(processes), 0, 2 << 30

    def __getattribute__(self, name):
        if name.startswith("nvml") and name in object.__getattribute__(self, "silent"):
            raise_ = NVMLError("not supported")
            return lambda *_: (_ for _ in ()).throw(raise_)
        return object.__getattribute__(self, name)

    def nvmlInit(self):  # noqa: N802 - NVML's names
        pass

    def nvmlSystemGetDriverVersion(self):  # noqa: N802
        return b"570.1"

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return f"Card {handle}"

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{handle}{handle}{handle}"

    def nvmlDeviceGetCudaComputeCapability(self, handle):  # noqa: N802
        return 9, 0

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        self.used += 1 << 20
        return SimpleNamespace(total=80 << 30, used=self.used)

    def nvmlDeviceGetClockInfo(self, handle, kind):  # noqa: N802
        assert kind == self.NVML_CLOCK_SM
        return self.clocks.pop(0) if len(self.clocks) > 1 else self.clocks[0]

    def nvmlDeviceGetTemperature(self, handle, sensor):  # noqa: N802
        return 41

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        return 300_000

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        self.energy_mj += 5_000
        return self.energy_mj

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):  # noqa: N802
        return self.throttles

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return SimpleNamespace(gpu=self.load)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return [object()] * (self.processes.pop(0) if len(self.processes) > 1 else self.processes[0])
