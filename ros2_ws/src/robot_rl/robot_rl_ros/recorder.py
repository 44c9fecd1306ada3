"""The recorder as a process: it keeps the episodes of who demonstrates on the robot of the graph.

That is a person or a script, or the policy of a run whose corrector is distilled.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from robot_rl.errors import ConfigError
from robot_rl.runtime.commands import distill as distill_command
from robot_rl.runtime.commands import record as record_command
from robot_rl.runtime.config import RecordConfig
from robot_rl.runtime.policy_config import DistillConfig
from robot_rl_ros import driver, process


def main(arguments: Sequence[str] | None = None) -> int:
    """Record demonstrations."""
    with process.started(__doc__, arguments) as config:
        if not isinstance(config, RecordConfig | DistillConfig):
            raise ConfigError("the recorder records: --config record or --config distill.")
        with driver.joined("recorder", config) as here:
            if isinstance(config, DistillConfig):
                return distill_command.run_on(here.cell.env, config, [here.observer], is_restarted=True)
            return record_command.run_on(here.cell.env, config, [here.observer], is_restarted=True)


if __name__ == "__main__":
    sys.exit(main())
