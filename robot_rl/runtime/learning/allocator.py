"""How the C library handles the memory of tensors."""

from __future__ import annotations

import ctypes

_KEPT_MEMORY = {-1: 256 << 20, -3: 32 << 20}
"""mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD -> bytes; the latter is the most that glibc accepts."""


def keep_freed_memory() -> None:
    """Have the C library keep the memory that tensors give back, instead of returning it to the system each time.

    The activations of ten critics are tensors of 2.6 MB. By default glibc gives such pieces back as soon as they are
    free, and an update then spends a fifth of its time on 8000 page faults. Elsewhere than on glibc nothing happens.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        for parameter, size in _KEPT_MEMORY.items():
            library.mallopt(parameter, size)
