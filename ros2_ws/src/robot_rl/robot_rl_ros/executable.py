"""What each executable of the package runs: the module that it is named after."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import FrameType

_INTERRUPTED = 130


def run() -> int:
    """Import the module and run its `main`; returns the exit status.

    Importing takes seconds, in which there is nothing to be ended well: Ctrl-C ends the process at once and silently. A
    KeyboardInterrupt would be somewhere in a library, which might even catch it.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
    module = import_module(f"robot_rl_ros.{Path(sys.argv[0]).name}")
    signal.signal(signal.SIGINT, handler)
    code: int = module.main()
    return code


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    os._exit(_INTERRUPTED)
