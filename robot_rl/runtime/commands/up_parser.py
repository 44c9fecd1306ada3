"""The words of `robot-rl up`. Apart from the command, so that `robot-rl --help` need not load what that needs."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DESCRIPTION = """Run a graph of processes to its end: simulation (or robot), actor and learner as ROS 2 nodes and
plain processes, without ROS's own `launch`. `ros2 launch robot_rl GRAPH.launch.py` starts the same ones.

  train_peg     trains; the same command again goes on with the run that it began
  record_demos  records demonstrations
  evaluate      evaluates policy=RUN
  distill       records what the corrector of policy=RUN has learned, for the next base policy
  teleop        lets a person drive the robot, without a time limit unless task.episode.step_limit=STEPS says one; a
                button that says success, failure or abort ends an episode, and the robot goes back to a start"""

_EPILOG = """examples:
  robot-rl up train_peg                                     the run is in runs/peg-rlpd-0
  robot-rl up train_peg task=plug seed=1 run_dir=runs/plug
  robot-rl up record_demos task=plug store=plug_demonstrations episodes=20
  robot-rl up evaluate policy=runs/peg-rlpd-0 episodes=100
  robot-rl up train_peg --dry-run                           the command lines, to be run by hand

What each process prints is shown with its name before it, and kept in logs/ of the run's folder; where the reader
stalls, lines are left out here, and their number is said. A process that fails, or ends before the run is over, is
started again, after a pause, at most 5 times a minute, unless its status is 2: an error that would only come again.
Ctrl-C (or SIGTERM, or closing the terminal, unless it was started with nohup) ends the graph: the robot is stopped
first, the learner saves a checkpoint last; a second Ctrl-C kills. No process is left behind, even if this one dies.
The exit status is that of the process that ends the run (the actor), or of the one that could not be restarted.

Set in the environment, unless it is set there already:
  ROS_DOMAIN_ID                    one that nobody on this machine uses (it is printed), so that graphs don't meet; a
                                   second graph in one that is said is refused, unless --namespace is another
  ROS_AUTOMATIC_DISCOVERY_RANGE    LOCALHOST: no other machine hears the robot's commands; SUBNET lets them
  OMP_NUM_THREADS and its like     1: the processes share the cores already

While it runs, in another terminal: `robot-rl where` says where the tool is and whether the arm is stopped, and
`robot-rl recover` allows a stopped arm to move again. With teleop=keyboard, `robot-rl keyboard` is the person's part.

`robot-rl config train` (record, eval, distill, env) prints the keys that a graph takes."""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "up",
        help="run a graph of processes: simulation or robot, actor, learner",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("graph", metavar="GRAPH", help="train_peg, record_demos, evaluate, distill or teleop")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for example task=peg seed=1")
    parser.add_argument("--namespace", default="", metavar="NAME", help="of all ROS nodes, for a second robot")
    parser.add_argument("--dry-run", action="store_true", help="print the command lines, and start nothing")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.commands import up as up_command

    return up_command.run(parsed.graph, parsed.overrides, parsed.namespace, is_dry=parsed.dry_run)
