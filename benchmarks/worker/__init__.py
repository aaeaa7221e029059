"""What runs in a framework's environment: prove, time, train. It needs the standard library, NumPy and the framework.

Imports adapters and nothing else of ours, so that a framework's environment can load it; a test holds this.
"""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
