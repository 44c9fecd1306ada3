"""The parts of the hand's driver that need no robot: what is made of an order, with a hand that only notes it."""

import threading
import time
from types import SimpleNamespace

import pytest
from robot_rl_hardware.franka.gripper import FrankaGripper
from robot_rl_hardware.franka.hand_process import HandMover, watch
from robot_rl_hardware.franka.records import HAND_MOVE_DTYPE, HAND_ORDER_DTYPE, HAND_REPORT_DTYPE
from robot_rl_hardware.franka.settings import HandSettings
from robot_rl_hardware.franka.shared import SharedRecord

from robot_rl.errors import DeviceError


class NotedHand:
    """Is there at once; what it does meanwhile, and what comes of it, may be chosen by width."""

    def __init__(self):
        self.calls, self.during = [], {}

    def move(self, width_m, speed_m_s):
        self.calls.append(width_m)
        turns = self.during.get(width_m)
        return not turns or turns.pop(0)() is not False

    def read_once(self):
        return SimpleNamespace(width=0.04, max_width=0.08)

    def grasp(self, width_m, speed_m_s, force_n, inner_m, outer_m):
        return self.move(width_m, speed_m_s)


class Parts:
    """Gripper and mover with the memory between them, as the two processes have it."""

    def __init__(self, **settings):
        settings = HandSettings(turn_s=0.0, **settings)
        self.gripper, self.hand = FrankaGripper(settings), NotedHand()
        self.gripper._begin()
        self.gripper._children.append(SimpleNamespace(status=None))
        self.reports = SharedRecord(HAND_REPORT_DTYPE, self.gripper._reports.file)
        self.reports.record["width_m"], self.reports.record["max_width_m"] = 0.04, 0.08
        self.reports.write()
        self.moves = SharedRecord(HAND_MOVE_DTYPE, self.gripper._moves.file)
        reports = SharedRecord(HAND_REPORT_DTYPE, self.gripper._reports.file)
        self.mover = HandMover(settings, (RuntimeError,), self.make_orders(), self.moves, reports)

    def make_orders(self):
        return SharedRecord(HAND_ORDER_DTYPE, self.gripper._orders.file)

    def serve(self, *turns):
        """Let the mover look once after each of these was called, and once more."""
        steps = iter([*turns, lambda: None])

        def is_over():
            step = next(steps, None)
            if step is not None:
                step()
            return step is None

        self.mover.serve(self.hand, is_over)

    def watch(self, hand, is_over):
        """What the other process does."""
        moves = SharedRecord(HAND_MOVE_DTYPE, self.gripper._moves.file)
        watch(hand, self.make_orders(), moves, self.reports, is_over)


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

    parts.hand.during[0.0] = [be_stopped]
    parts.serve(*order(parts, 0.0), lambda: None, lambda: None)
    assert parts.hand.calls == [0.0]


def test_the_same_order_after_a_recovery_is_obeyed(parts):
    def be_stopped():
        parts.gripper.set_width(0.08)
        parts.gripper.withdraw()
        parts.gripper.withdraw()  # whoever looks at the arm again sees the same stop

    parts.hand.during[0.0] = [be_stopped]
    parts.serve(*order(parts, 0.0, 0.08))
    assert parts.hand.calls == [0.0, 0.08]


def test_what_has_begun_is_neither_stopped_nor_begun_again(parts):
    """What is held stays held: a second grasp is none."""
    parts.hand.during[0.0] = [parts.gripper.withdraw]
    parts.serve(*order(parts, 0.0), parts.gripper.withdraw, *order(parts, 0.0))
    assert parts.hand.calls == [0.0]


@pytest.mark.parametrize(("is_void", "stops"), [(False, 1), (True, 0)])
def test_a_motion_is_given_up_for_a_newer_one_but_not_for_one_that_is_void(parts, is_void, stops):
    given_up, ends = [], iter([False, False, True])
    parts.hand.stop = lambda: given_up.append(True)

    def look():
        parts.gripper.set_width(0.08)
        if is_void:
            parts.gripper.withdraw()
        parts.watch(parts.hand, lambda: next(ends))

    parts.hand.during[0.0] = [look]
    parts.serve(*order(parts, 0.0))
    assert len(given_up) == stops


def fail():
    raise RuntimeError("libfranka gripper: Command failed!")


@pytest.mark.parametrize("width_m", [0.0, 0.08])
@pytest.mark.parametrize("problem", [fail, lambda: False])
def test_what_has_failed_is_tried_again_when_it_is_commanded_again(parts, width_m, problem):
    parts.hand.during[width_m] = [problem]
    parts.serve(*order(parts, width_m), lambda: None, *order(parts, width_m, width_m, width_m))
    assert parts.hand.calls == [width_m, width_m], "what has succeeded is not repeated"


@pytest.mark.parametrize(("failures", "told"), [({0.0: [fail, fail], 0.08: [fail]}, 2), ({0.0: [fail] * 3}, 1)])
def test_a_failure_is_told_once_until_the_hand_has_obeyed(parts, caplog, failures, told):
    parts.hand.during = failures
    parts.serve(*(turn for each in order(parts, 0.0, 0.0, 0.0, 0.08) for turn in (each, parts.gripper.width)))
    assert [each.getMessage() for each in caplog.records] == told * [
        "the hand has not obeyed: libfranka gripper: Command failed!; the same opening is tried again when it is "
        "commanded"
    ]
    assert parts.hand.calls == [0.0, 0.0, 0.0, 0.08]


def test_a_hand_that_is_not_homed_is_not_used():
    parts = Parts(is_homed=True)
    parts.hand.homing = lambda: False
    with pytest.raises(DeviceError, match="widest opening"):
        parts.serve(*order(parts, 0.0))
    assert parts.hand.calls == []


class SlowHand:
    """To stop it takes a moment, in which the motion that was meant may end, and another one begin."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.has_arrived, self.is_aborted = threading.Event(), threading.Event()

    def read_once(self):
        time.sleep(1e-3)
        return SimpleNamespace(width=0.04, max_width=0.08)

    def grasp(self, *_):
        self.begun.release()
        return self.has_arrived.wait(20.0)

    def move(self, width_m, speed_m_s):
        self.begun.release()
        if self.is_aborted.wait(0.5):
            raise RuntimeError("libfranka gripper: Command aborted!")
        return True

    def stop(self):
        self.has_arrived.set()
        if self.begun.acquire(timeout=0.2):
            self.is_aborted.set()


def test_a_stop_does_not_end_the_motion_that_it_makes_way_for(parts):
    hand, is_over = SlowHand(), threading.Event()
    threads = [
        threading.Thread(target=parts.mover.serve, args=(hand, is_over.is_set)),
        threading.Thread(target=parts.watch, args=(hand, is_over.is_set)),
    ]
    try:
        for thread in threads:
            thread.start()
        parts.gripper.set_width(0.0)
        assert hand.begun.acquire(timeout=20.0)
        parts.gripper.set_width(0.08)
        deadline_s = time.monotonic() + 20.0
        while parts.gripper._find_failure() is None:
            assert time.monotonic() < deadline_s
            time.sleep(1e-3)
        assert parts.gripper._find_failure() == ""
    finally:
        is_over.set()
        hand.has_arrived.set()
        for thread in threads:
            thread.join()
