"""Measures the graph, each process in its place; `robot-rl bench graph` starts it.

| key | what |
|---|---|
| lockstep_steps_per_s | control steps of `peg` a second through the graph, random actions, resets included |
| lockstep_steps_per_s_2cams_128 | the same with two cameras' 128 x 128 pictures in every step |
| lockstep_steps_per_s_person | the same without pictures, with the scripted person looked at 100 times a second |
| obs_to_command_ms_p50, _p99 | real time, 10 Hz: from the stamp of an observation to its command's arrival |
| takeover_ms_p50, _p99 | real time: from a device's first deflected message to the first pose commanded for it |
| weights_age_s_p50, _p99 | real time, while a learner trains: time since the policy took over its weights |
| corrected_period_ms_p50, _p99, _max | likewise, with a diffusion policy below a corrector: between two observations |
| corrected_stop | what stopped the arm meanwhile, or null: a busy machine can |

Options: steps=N control steps a repeat, repeats=N, seconds=N of each real-time measurement, takeovers=N.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from robot_rl.bench.report import Targets, judge, make_progress, print_report, read_options
from robot_rl.errors import RobotRLError
from robot_rl_ros.bench import corrected, lock_step, real_time

TARGETS: Final[Targets] = {
    "lockstep_steps_per_s": (">=", 60.0),
    "lockstep_steps_per_s_2cams_128": (">=", 25.0),
    "takeover_ms_p99": ("<=", 20.0),
}
_SMALL: Final = ("demonstrations=2", "agent.pretrain_updates=1", "steps=100000", "evaluate_every_steps=100000")


def measure(steps: int, repeats: int, seconds: int, takeovers: int) -> dict[str, Any]:
    """Every key of the table above."""
    result: dict[str, Any] = {}
    with make_progress() as progress, TemporaryDirectory() as folder:
        task = progress.add_task("measuring", total=7)
        kinds = {
            "": ["teleop=none"],
            "_2cams_128": ["teleop=none", "robot.cameras=[wrist,side]", "robot.image_size=128"],
            "_person": ["teleop=human"],
        }
        for suffix, words in kinds.items():
            result[f"lockstep_steps_per_s{suffix}"] = round(lock_step.measure_rate(words, steps, repeats), 1)
            progress.advance(task)
        result |= real_time.to_percentiles("obs_to_command_ms", real_time.measure_commands(seconds))
        progress.advance(task)
        result |= real_time.to_percentiles("takeover_ms", real_time.measure_takeovers(takeovers))
        progress.advance(task)
        ages_s = real_time.measure_weights(seconds, [*_SMALL, f"run_dir={folder}/run"])
        result |= real_time.to_percentiles("weights_age_s", ages_s)
        progress.advance(task)
        periods_ms, stop = corrected.measure_periods(seconds, Path(folder, "corrected"))
        if periods_ms:
            result |= real_time.to_percentiles("corrected_period_ms", periods_ms)
            result["corrected_period_ms_max"] = round(max(periods_ms), 3)
        result["corrected_stop"] = stop
        progress.advance(task)
    return result | {"load_1m": round(os.getloadavg()[0], 2)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and the JSON object."""
    try:
        options = list(sys.argv if arguments is None else arguments)[1:]
        values = read_options(options, {"steps": 150, "repeats": 5, "seconds": 30, "takeovers": 60})
        result = measure(**values)
    except RobotRLError as error:
        print(f"bench_graph: {error}", file=sys.stderr)
        return error.exit_status
    print_report("The graph, over ROS 2 on this machine", ["", "value", "target"], judge(result, TARGETS), [], result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
