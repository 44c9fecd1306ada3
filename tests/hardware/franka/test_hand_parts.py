"""The parts of the hand's driver that need no robot: what is made of an order, with a hand that only notes it."""

import pytest
from robot_rl_hardware.franka.gripper import FrankaGripper
from robot_rl_hardware.franka.hand_process import HandMover
from robot_rl_hardware.franka.records import HAND_MOVE_DTYPE, HAND_ORDER_DTYPE, HAND_REPORT_DTYPE
from robot_rl_hardware.franka.settings import HandSettings
from robot_rl_hardware.franka.shared import SharedRecord


class NotedHand:
    """Is there at once; what it does meanwhile, and what comes of it, may be chosen by width."""

    def __init__(self):
        self.calls, self.during = [], {}

    def move(self, width_m, speed_m_s):
        self.calls.append(width_m)
        return self.during.pop(width_m, lambda: True)() is not False

    def grasp(self, width_m, speed_m_s, force_n, inner_m, outer_m):
        return self.move(width_m, speed_m_s)


class Parts:
    """Gripper and mover with the memory between them, as the two processes have it."""

    def __init__(self, **settings):
        settings = HandSettings(turn_s=0.0, **settings)
        self.gripper, self.hand = FrankaGripper(settings), NotedHand()
        self.reports = SharedRecord(HAND_REPORT_DTYPE, self.gripper._reports.file)
        self.reports.record["width_m"], self.reports.record["max_width_m"] = 0.04, 0.08
        self.reports.write()
        self.mover = HandMover(
            settings,
            (RuntimeError,),
            SharedRecord(HAND_ORDER_DTYPE, self.gripper._orders.file),
            SharedRecord(HAND_MOVE_DTYPE, self.gripper._moves.file),
            SharedRecord(HAND_REPORT_DTYPE, self.gripper._reports.file),
        )

    def serve(self, *turns):
        """Let the mover look once after each of these was called, and once more."""
        steps = iter([*turns, lambda: None])

        def is_over():
            step = next(steps, None)
            if step is not None:
                step()
            return step is None

        self.mover.serve(self.hand, is_over)


@pytest.fixture
def parts():
    return Parts()


def order(parts, *widths_m):
    return [lambda width_m=width_m: parts.gripper.set_width(width_m) for width_m in widths_m]


def test_an_order_that_waits_is_void_when_the_arm_was_stopped(parts):
    """It was given before the stop; the arm may have recovered before the fingers could begin."""

    def be_stopped():
        parts.gripper.set_width(0.08)
        parts.gripper.withdraw()

    parts.hand.during[0.0] = be_stopped
    parts.serve(*order(parts, 0.0), lambda: None, lambda: None)
    assert parts.hand.calls == [0.0]


def test_the_same_order_after_a_recovery_is_obeyed(parts):
    def be_stopped():
        parts.gripper.set_width(0.08)
        parts.gripper.withdraw()
        parts.gripper.withdraw()  # whoever looks at the arm again sees the same stop

    parts.hand.during[0.0] = be_stopped
    parts.serve(*order(parts, 0.0, 0.08))
    assert parts.hand.calls == [0.0, 0.08]


def test_what_has_begun_is_neither_stopped_nor_begun_again(parts):
    """What is held stays held: a second grasp is none."""
    parts.hand.during[0.0] = parts.gripper.withdraw
    parts.serve(*order(parts, 0.0), parts.gripper.withdraw, *order(parts, 0.0))
    assert parts.hand.calls == [0.0]
