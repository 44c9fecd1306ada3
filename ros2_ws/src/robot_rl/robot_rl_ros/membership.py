"""Being in a graph, from joining it to leaving it. Apart from `process`, so that who only asks need not load much."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.signals import SignalHandlerOptions

from robot_rl.errors import RobotRLError


@contextmanager
def joined(program: str, argv: Sequence[str]) -> Iterator[None]:
    """Be in the graph, and leave it at the end.

    An error of the project becomes one line on standard error and its exit status; an interruption, status 130.
    ROS does not handle signals: its handlers would end the graph under a message that is being published.

    Args:
        program: its name, before an error.
        argv: the command line, with the program's name.
    """
    try:
        rclpy.init(args=list(argv), signal_handler_options=SignalHandlerOptions.NO)
        yield
    except RobotRLError as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_status) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        rclpy.try_shutdown()
