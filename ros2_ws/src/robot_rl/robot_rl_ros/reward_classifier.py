"""The success classifier as a process: it needs a GPU or patience, and must not hold up whoever moves the robot."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from robot_rl.errors import ConfigError
from robot_rl.runtime.judging import make_classifier_reward
from robot_rl_ros import process
from robot_rl_ros.nodes.reward_classifier import RewardClassifier


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge until told to end."""
    with process.started(__doc__, arguments) as config:
        if config.reward.kind != "classifier":
            raise ConfigError(f"the classifier judges with reward=classifier, got reward={config.reward.kind}.")
        judge, spec = make_classifier_reward(config)
        is_lock_step = config.graph.is_lock_step
        node = RewardClassifier(judge, spec.outputs, spec.cameras, config.reward.max_skew_s, is_lock_step=is_lock_step)
        process.serve([node])
    return 0


if __name__ == "__main__":
    sys.exit(main())
