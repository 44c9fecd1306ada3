"""The picture of a base policy's training."""

import cv2
import numpy as np

from robot_rl.runtime.pretraining.report import draw_losses
from robot_rl.runtime.pretraining.training import Losses

BLUE_BGR = (180, 119, 31)


def count_blue(losses, target):
    """Pixels in the colour of the held-out loss; the legend's are among them."""
    draw_losses(losses, "base", target)
    return int((cv2.imread(str(target)) == BLUE_BGR).all(axis=-1).sum())


def test_one_look_can_be_seen(tmp_path):
    nothing = count_blue(Losses(), tmp_path / "nothing.png")
    one = count_blue(Losses([2], [0.9], [0.8]), tmp_path / "one.png")
    assert one > nothing + 10, "a point of its own"


def test_a_line_of_many_looks_is_not_covered_with_marks(tmp_path):
    steps = list(range(1, 32))
    values = np.linspace(1.0, 0.1, 31).tolist()
    marked = count_blue(Losses(steps[:30], values[:30], values[:30]), tmp_path / "marked.png")
    plain = count_blue(Losses(steps, values, values), tmp_path / "plain.png")
    assert plain < marked
