"""Memory that was freed goes back to the system, where the C library would keep it."""

from __future__ import annotations

import ctypes


def release_freed_memory() -> None:
    """Give freed memory back to the system.

    The C library of GNU keeps what a network frees, in pieces that the next call hardly fits into: eight contexts of
    512 x 512 pixels in a row leave half a gigabyte of it. On other systems nothing happens.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return
