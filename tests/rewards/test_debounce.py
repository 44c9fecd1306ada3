"""A success must be seen more than once; sequences by hand."""

import pytest

from robot_rl.errors import ConfigError
from robot_rl.rewards.debounce import Debounce, DebounceConfig

MS = 1_000_000


def play(verdicts, stamps_ms=None, **config):
    """The answers, as a string: + and -."""
    debounce = Debounce(DebounceConfig(**config))
    stamps_ms = stamps_ms or [100 * k for k in range(len(verdicts))]
    pairs = zip(verdicts, stamps_ms, strict=True)
    return "".join("+" if debounce.update(verdict == "+", stamp * MS) else "-" for verdict, stamp in pairs)


@pytest.mark.parametrize(
    ("required", "window", "verdicts", "answers"),
    [
        (1, 1, "-+-+", "-+-+"),
        (2, 2, "++-+-++", "-+----+"),
        (2, 3, "+-+--+", "--+---"),
        (2, 3, "+--+-+", "-----+"),
        (3, 3, "++-+++", "-----+"),
        (3, 5, "+-+-+-+", "----+-+"),
        (2, 3, "++-", "-+-"),  # the newest must be one of them
        (2, 3, "-----", "-----"),
    ],
)
def test_required_of_the_newest(required, window, verdicts, answers):
    assert play(verdicts, required=required, window=window) == answers


def test_a_gap_begins_anew():
    assert play("+++", [0, 100, 601], required=3, window=3, max_gap_s=0.5) == "---"
    assert play("+++", [0, 100, 600], required=3, window=3, max_gap_s=0.5) == "--+"
    assert play("++++", [0, 100, 700, 800], required=2, window=3, max_gap_s=0.5) == "-+-+"


def test_a_camera_that_froze_does_not_confirm_itself():
    assert play("+++++", [0, 0, 0, 0, 100], required=2, window=3) == "----+"


def test_what_comes_late_is_no_evidence():
    assert play("+++", [200, 100, 300], required=2, window=3) == "--+"
    assert play("+-+", [200, 100, 300], required=2, window=2) == "--+"


def test_a_reset_forgets():
    debounce = Debounce(DebounceConfig(2, 3))
    assert not debounce.update(True, 5)
    debounce.reset()
    assert not debounce.update(True, 3), "stamps may begin anew, too"
    assert debounce.update(True, 4)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"required": 0}, "window = 3"),
        ({"required": 4}, "window = 3"),
        ({"max_gap_s": 0.0}, "max_gap_s"),
        ({"max_gap_s": float("nan")}, "max_gap_s"),
        ({"max_gap_s": float("inf")}, "max_gap_s must be positive and finite, got inf"),
    ],
)
def test_wrong_values_are_refused(values, said):
    with pytest.raises(ConfigError, match=said):
        DebounceConfig(**values)


def test_after_the_clock_was_set_back_it_begins_anew():
    assert play("++++", [60_000, 30_000, 30_100, 30_200], required=2, window=3) == "--++"
    assert play("++++", [60_000, 59_001, 59_002, 60_100], required=2, window=3) == "---+", "only late"
