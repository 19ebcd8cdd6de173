"""Locks on open files that the kernel frees when their holder dies, whatever way it dies."""

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    PLACE = 0x7FFF0000
    """The byte that is locked: always the same, and far behind what others read, who cannot read a locked byte."""

    def try_lock(file: IO[bytes]) -> bool:
        """Lock `file` for this process until it is closed; False when somebody else holds it."""
        position = file.tell()
        file.seek(PLACE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(position)
        return True

else:
    import fcntl

    def try_lock(file: IO[bytes]) -> bool:
        """Lock `file` for this process until it is closed; False when somebody else holds it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
