"""What the C library does with memory that is given back."""

import ctypes

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
NEVER = 2**31 - 1  # bytes: the largest that mallopt takes


def keep_freed() -> bool:
    """Asks glibc to keep freed blocks of any size for the next request, in this process alone. Else each
    training step has its activations faulted in page by page anew; what that costs stands in
    results/benchmarks/cost.md. Peak memory stays what it was but for fragmentation; it is not given back
    before the process ends.

    Returns whether the C library heeds it: others than glibc are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl; macOS; Windows
        return False
    return all([mallopt(what, NEVER) for what in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)])
