"""What the C library does with freed memory: keep it from call to call, and give it back in the end."""

from __future__ import annotations

import ctypes
from functools import cache

KEPT_BYTES = 2**28
LARGEST_KEPT = 2**25
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h of GNU's library


@cache
def keep_freed_memory() -> None:
    """Let the C library keep up to 256 MiB of freed memory, in blocks of up to 32 MiB.

    GNU's gives large blocks back to the system at once. Each call of a network then gets new pages for its intermediate
    results, which the system fills with zeros first: 17,000 pages for a tile of 384 x 384 pixels, a quarter of the
    time. On other systems nothing happens. It holds for the whole process; see :func:`release_freed_memory`.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, LARGEST_KEPT)
    mallopt(_TRIM_THRESHOLD, KEPT_BYTES)


def release_freed_memory() -> None:
    """Give freed memory back to the system.

    The C library of GNU keeps what a network frees, in pieces that the next call hardly fits into: eight contexts of
    512 x 512 pixels in a row leave half a gigabyte of it. On other systems nothing happens.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return
