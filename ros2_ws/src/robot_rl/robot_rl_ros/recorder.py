"""The recorder as a process: a person, or a script, demonstrates on the robot of the graph; it keeps the episodes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from robot_rl.errors import ConfigError
from robot_rl.runtime.commands import record as record_command
from robot_rl.runtime.config import RecordConfig
from robot_rl_ros import driver, process


def main(arguments: Sequence[str] | None = None) -> int:
    """Record demonstrations."""
    with process.started(__doc__, arguments) as config:
        if not isinstance(config, RecordConfig):
            raise ConfigError("the recorder records: --config record.")
        with driver.joined("recorder", config) as here:
            return record_command.run_on(here.cell.env, config, [here.observer])


if __name__ == "__main__":
    sys.exit(main())
