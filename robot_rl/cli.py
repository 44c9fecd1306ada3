"""The command `robot-rl`: composes the parts, and turns errors into one clear line."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias

from robot_rl.errors import RobotRLError, UnknownNameError
from robot_rl.runtime.commands import (
    ask_parser,
    calibrate_parser,
    doctor_parser,
    exchange_parser,
    fci_sim_parser,
    keys_parser,
    recording_parser,
    up_parser,
)

_EPILOG = """examples:
  robot-rl train task=peg                                             records demonstrations, trains, evaluates
  robot-rl train task=peg agent=rlpd seed=1 run_dir=runs/peg-1
  robot-rl up train_peg seed=1                                        the same in processes of their own, over ROS 2
  robot-rl resume runs/peg-1                                          goes on after a crash or Ctrl-C
  robot-rl eval policy=runs/peg-1 task=peg episodes=100 video=peg.mp4
  robot-rl record task=plug episodes=20 store=plug_demonstrations
  robot-rl show plug_demonstrations --picture plug.png                what was recorded, or what a run experienced
  robot-rl pretrain policy=diffusion data=plug_demonstrations         imitates; then eval policy=runs/base_policy
  robot-rl train-classifier data=demonstrations out=peg.safetensors   rewards from the cameras' images
  robot-rl eval policy=expert task=peg episodes=50 seed=0
  robot-rl eval policy=expert task=plug episodes=5 video=plug.mp4     also writes the contact sheet plug.png
  robot-rl eval policy=blind task=peg_hard task.scene.clearance_m=0.0005
  robot-rl config eval task=pick_cube                                 every key, with its value in force
  robot-rl bench sim
  robot-rl bench control
  robot-rl fci-sim --scene peg                                        a simulated Franka for clients of libfranka

Every key of the configuration can be set as KEY=VALUE; a wrong one is answered with the right ones.
"""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

Run: TypeAlias = "Callable[[argparse.Namespace], int]"

BENCHES = ("arm", "control", "graph", "inference", "learner", "peg_grid", "samplers", "sim")
_CONFIGS = {
    "classifier": "classifier.config.ClassifierConfig",
    "distill": "policy_config.DistillConfig",
    "env": "config.EnvConfig",
    "eval": "policy_config.EvalConfig",
    "pretrain": "pretraining.config.PretrainConfig",
    "record": "config.RecordConfig",
    "train": "config.TrainConfig",
}
"""Name of a YAML file -> where its dataclass is in robot_rl.runtime."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = _make_parser()
    parsed = _parse(parser, arguments)
    try:
        code: int = parsed.run(parsed)
    except RobotRLError as error:
        print(f"robot-rl: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("robot-rl: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """KEY=VALUE words may stand on both sides of an option, where argparse wants all of them on one."""
    parsed, others = parser.parse_known_args(arguments)
    if others:
        if not hasattr(parsed, "overrides") or any(word.startswith("-") or "=" not in word for word in others):
            parser.error(f"unrecognized arguments: {' '.join(others)}")
        parsed.overrides = [*parsed.overrides, *others]
    return parsed


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="robot-rl",
        description="Train and evaluate policies for contact-rich tasks on a Franka arm, simulated or real.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"robot-rl {_find_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    _add_configured(
        commands,
        "eval",
        _calling("evaluate", "run", "overrides"),
        "task=peg episodes=50",
        summary="evaluate a policy and print its success rate",
        description="Evaluate a policy. The last line printed is a JSON object with success_rate, ci95, episodes and "
        "cycle_time_s.",
    )
    _add_training(commands)
    _add_imitation(commands)
    _add_seeing(commands)
    _add_processes(commands)
    up_parser.add_parser(commands)
    keys_parser.add_parser(commands)
    ask_parser.add_parsers(commands)
    fci_sim_parser.add_parser(commands)
    recording_parser.add_parsers(commands)
    exchange_parser.add_parsers(commands)
    calibrate_parser.add_parser(commands)
    doctor_parser.add_parser(commands)

    bench = commands.add_parser("bench", help="measure; prints a table and one JSON object")
    bench.add_argument("name", metavar="NAME", help=", ".join(BENCHES))
    bench.add_argument("options", nargs="*", metavar="KEY=VALUE")
    bench.set_defaults(run=_run_bench)

    config = commands.add_parser("config", help="print a configuration as it would be used")
    config.add_argument("name", metavar="NAME", choices=sorted(_CONFIGS), help=", ".join(sorted(_CONFIGS)))
    config.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    config.set_defaults(run=_run_config)
    return parser


def _add_configured(
    commands: Commands,
    name: str,
    run: Run,
    example: str,
    *,
    summary: str,
    description: str,
    configured_as: str | None = None,
) -> None:
    """A command whose words are those of a configuration, that of its own name if no other is given."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"`robot-rl config {configured_as or name}` prints every key with its default.\n\n{_EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"for example {example}")
    parser.set_defaults(run=run)


def _add_training(commands: Commands) -> None:
    """The commands that make and continue runs."""
    _add_configured(
        commands,
        "train",
        _calling("train", "train", "overrides"),
        "task=peg agent=rlpd seed=0",
        summary="train a policy: demonstrations, imitation, then reinforcement learning with a person's help",
        description="Train a policy in this process. Everything about the run goes into its folder: configuration, "
        "demonstrations, everything that happened, checkpoints, metrics (also for TensorBoard) and the learning "
        "curve. The last line printed is a JSON object with the success rate of the final evaluation.",
    )
    resume = commands.add_parser(
        "resume",
        help="continue a run that was cut off, or one that shall have more steps",
        description="Continue a run from its newest checkpoint, with all the experience that was stored, also after "
        "that checkpoint. A run that has all its steps gets more with steps=N. What does not change what is learned "
        "may be said anew, too: evaluate_every_steps, threads or device, for example.",
    )
    resume.add_argument("folder", metavar="RUN", type=Path, help="folder of the run")
    resume.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for example steps=20000")
    resume.set_defaults(run=_calling("train", "resume", "folder", "overrides"))

    compare = commands.add_parser(
        "compare",
        help="training runs beside each other, as a table and a picture",
        description="Print a table of groups of runs, such as the seeds of two agents, and draw their learning curves.",
        epilog="example: robot-rl compare 'ours=runs/peg-rlpd-*' bc=runs/peg-bc-0,runs/peg-bc-1 --picture curves.png",
    )
    compare.add_argument("groups", nargs="+", metavar="GROUP=RUN,RUN", help="a RUN may have wildcards")
    compare.add_argument("--picture", metavar="PNG", type=Path, help="file of the learning curves")
    compare.add_argument("--title", default="Success and interventions", help="of the picture")
    compare.add_argument("--at", metavar="STEPS", type=int, nargs="+", default=[], help="columns of the success there")
    compare.set_defaults(run=_calling("compare", "run", "groups", "picture", "title", "at"))

    _add_configured(
        commands,
        "record",
        _calling("record", "run", "overrides"),
        "task=peg teleop=expert",
        summary="record demonstrations by the scripted expert or a person",
        description="Record demonstrations into a store; train with demonstrations_from=STORE. A store that exists is "
        "continued.",
    )


def _add_imitation(commands: Commands) -> None:
    """The commands that learn from demonstrations alone."""
    _add_configured(
        commands,
        "pretrain",
        _calling("pretrain", "run", "overrides"),
        "policy=diffusion data=demonstrations run_dir=runs/base",
        summary="train a base policy that imitates demonstrations",
        description="Train a base policy on demonstrations: diffusion, flow matching or behaviour cloning of chunks of "
        "actions. data=PATH,PATH names recordings, runs, or data sets in the layout of robomimic (.hdf5), "
        "diffusion_policy (.zarr) or LeRobot (folder). The same command again goes on with a training that was "
        "stopped. Writes policy.pt and losses.png into run_dir. The last line printed is a JSON object.",
    )
    _add_configured(
        commands,
        "distill",
        _calling("distill", "run", "overrides"),
        "policy=runs/plug store=plug_corrected",
        summary="record what a corrector has learned, for the next base policy",
        description="Let the base policy of a run act alone for a random time, then with its corrector, in the "
        "environment of the training; successes are kept, for `robot-rl pretrain data=STORE,DEMONSTRATIONS`. On a real "
        "robot, and in the graph: `robot-rl up distill`. The last line printed is a JSON object.",
    )

    push_t = commands.add_parser(
        "record-push-t",
        help="record demonstrations of the planar benchmark Push-T",
        description="Let a planner demonstrate Push-T, for `robot-rl pretrain` and then `robot-rl bench samplers`.",
    )
    push_t.add_argument("store", metavar="STORE", type=Path, help="folder of the recording; made, or continued")
    push_t.add_argument("--episodes", type=int, default=200, help="how many to keep (default: 200)")
    push_t.add_argument("--seed", type=int, default=0, help="of the scenes and of the planner (default: 0)")
    push_t.set_defaults(run=_calling("push_t", "run", "store", "episodes", "seed"))


def _add_seeing(commands: Commands) -> None:
    """The commands about networks that look at images."""
    _add_configured(
        commands,
        "train-classifier",
        _calling("train_classifier", "run", "overrides"),
        "data=demonstrations out=classifier.safetensors",
        configured_as="classifier",
        summary="train a success classifier on recorded images",
        description="Train a classifier that tells from the cameras' images whether the task is solved, on recordings "
        "whose episodes end in success or not: data=STORE,STORE. With run=RUN, what the classifier took for a success "
        "in that run and was none is learned, too. A report is drawn beside the file, as STEM_report.png. The last "
        "line printed is a JSON object with the threshold, what can be claimed of it, precision, recall and "
        "calibration on held-out episodes.",
    )
    convert = commands.add_parser(
        "convert-encoder",
        help="convert published weights of the image encoder",
        description="Convert SERL's resnet10_params.pkl, or the hub's .safetensors, to the file that "
        "agent.encoder.weights=pretrained looks for. No code in the source is run.",
    )
    convert.add_argument("source", metavar="SOURCE", type=Path, help="the downloaded file")
    convert.add_argument(
        "target", metavar="TARGET", nargs="?", type=Path, help="where to write; by default the user's cache"
    )
    convert.set_defaults(run=_run_convert_encoder)


def _add_processes(commands: Commands) -> None:
    """The commands that make a run in processes of their own."""
    _add_configured(
        commands,
        "learner",
        _calling("learner", "run", "overrides"),
        "task=peg agent=rlpd seed=0 run_dir=runs/peg-1",
        configured_as="train",
        summary="the learner of `train` as a process, for an actor in another",
        description="The learner's part of `train`: demonstrations, imitation, updates, checkpoints. It binds "
        "channel.address and waits for `robot-rl actor`, or the actor node of ROS, with the same words. The same "
        "command again goes on with a run that was cut off. Exits with 0 when the run is over and was "
        "evaluated, with 3 when its actors have gone before that, with 130 when interrupted.",
    )
    _add_configured(
        commands,
        "actor",
        _calling("actor", "run", "overrides"),
        "task=peg agent=rlpd seed=0 run_dir=runs/peg-1",
        configured_as="train",
        summary="the actor of `train` as a process, with the simulated robot",
        description="The actor's part of `train`, for a `robot-rl learner` with the same words: acts, evaluates, and "
        "says what came of the run. The last line printed is a JSON object.",
    )


def _find_version() -> str:
    """The installed version; a source tree that is not installed has none."""
    try:
        return version("robot-rl")
    except PackageNotFoundError:
        return "(not installed)"


def _calling(module: str, function: str, *arguments: str) -> Run:
    """Calls a function of robot_rl.runtime.commands with these arguments; its module is loaded only then."""

    def run(parsed: argparse.Namespace) -> int:
        command = getattr(importlib.import_module(f"robot_rl.runtime.commands.{module}"), function)
        code: int = command(*(getattr(parsed, name) for name in arguments))
        return code

    return run


def _run_convert_encoder(parsed: argparse.Namespace) -> int:
    from robot_rl.agents.encoders import pretrained
    from robot_rl.runtime.reporting.output_file import check_path

    if parsed.target is not None:
        check_path(parsed.target, "encoder", ".safetensors")
    print(f"wrote {pretrained.convert(parsed.source, parsed.target)}")
    return 0


def _run_bench(parsed: argparse.Namespace) -> int:
    if parsed.name not in BENCHES:
        raise UnknownNameError("benchmark", parsed.name, BENCHES)
    code: int = importlib.import_module(f"robot_rl.bench.{parsed.name}").run(parsed.options)
    return code


def _run_config(parsed: argparse.Namespace) -> int:
    from robot_rl import config as configuration

    module, _, name = _CONFIGS[parsed.name].rpartition(".")
    schema = getattr(importlib.import_module(f"robot_rl.runtime.{module}"), name)
    print(configuration.to_yaml(configuration.load(schema, parsed.name, parsed.overrides)), end="")
    for group in configuration.groups():
        print(f"# {group}: {', '.join(configuration.choices(group))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
