"""Which processes a graph consists of: the one definition, for `robot-rl up` and for the launch files."""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from robot_rl import config as configuration
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.runtime.acting import named_policy
from robot_rl.runtime.channels.address import parse_address
from robot_rl.runtime.channels.channel_config import ChannelConfig
from robot_rl.runtime.config import EnvConfig, RecordConfig, TrainConfig
from robot_rl.runtime.policy_config import DistillConfig, EvalConfig, PolicyConfig
from robot_rl.runtime.processes.process_spec import ProcessSpec, Restart, RosExecutable
from robot_rl.runtime.processes.running_graph import check_namespace


def _make_ros(name: str, restart: Restart = Restart.ON_FAILURE, grace_s: float = 10.0) -> ProcessSpec:
    """An executable of our ROS package."""
    return ProcessSpec(name, RosExecutable("robot_rl", name), restart, grace_s=grace_s)


def _make_driver(name: str, restart: Restart = Restart.ON_FAILURE) -> ProcessSpec:
    """What asks for the motions; when it has ended well, the run has. It may finish the episode."""
    return replace(_make_ros(name, restart, grace_s=20.0), ends_run=True, moves_robot=True)


# Without ROS. It may have to write a checkpoint to a slow disk at the end.
_LEARNER = ProcessSpec("learner", (sys.executable, "-m", "robot_rl.cli", "learner"), ends_itself=True, grace_s=60.0)


@dataclass(frozen=True)
class _Graph:
    """What drives the robot, and the configuration (`configs/CONFIG.yaml`) that its processes read."""

    schema: type[EnvConfig]
    config: str
    processes: tuple[ProcessSpec, ...]
    restart: Restart = Restart.ON_FAILURE
    """Of the robot's processes, but for one that owns a real arm."""
    is_persons: bool = False
    """Whether a person does with the robot what they like, and no clock ends that unless they say so."""


_GRAPHS: Mapping[str, _Graph] = {
    "train_peg": _Graph(TrainConfig, "train", (_LEARNER, _make_driver("actor"))),
    "record_demos": _Graph(RecordConfig, "record", (_make_driver("recorder"),)),
    "distill": _Graph(DistillConfig, "distill", (_make_driver("recorder"),)),
    # a result that a restart has touched would be no result
    "evaluate": _Graph(EvalConfig, "eval", (_make_driver("actor", Restart.NEVER),), Restart.NEVER),
    "teleop": _Graph(EnvConfig, "env", (_make_driver("drive"),), is_persons=True),
}

# The processes that a robot consists of: its controller, gripper, cameras, the person's device, task and resets.
_ROBOT_GRACE_S = 25.0  # it serves until whoever moves it has ended, also where all are asked to end at once
_SIMULATION = _make_ros("simulation", grace_s=_ROBOT_GRACE_S)
# Whether the arm was stopped is known to this process alone: another one would begin as if it were not, and move it
# before anybody has recovered it.
_REAL_ROBOT = _make_ros("robot", Restart.NEVER, grace_s=_ROBOT_GRACE_S)
_ROBOTS: Mapping[str, tuple[ProcessSpec, ...]] = {
    "sim": (_SIMULATION,),
    "fci_sim": (_SIMULATION,),
    "franka": (_REAL_ROBOT,),
    "external": (_REAL_ROBOT,),
}
_REWARD_CLASSIFIER = _make_ros("reward_classifier")
_TELEOP = _make_ros("teleop")
_CAMERAS = _make_ros("cameras")
_KEYBOARD = ProcessSpec("keyboard", ("robot-rl", "keyboard"), needs_terminal=True)
_KEYBOARD_KEYS = re.compile(r"\+*(teleop\.keyboard\.\w+|task\.episode\.teleop_rate_hz)")

_STEP_LIMIT, _NO_STEP_LIMIT = "task.episode.step_limit", 1_000_000_000  # three years


def list_processes(graph: str, overrides: Sequence[str] = (), namespace: str = "") -> list[ProcessSpec]:
    """The processes of a graph, in the order in which they are started.

    All of them get the overrides as they are. What trains reads them as `robot-rl train` does, and gets an explicit,
    absolute `run_dir=` and the address of the channel between actor and learner beside them; the others are told by
    `--config NAME` whether they are those of `record`, `distill`, `eval` or `env`. A person at a device who only drives
    has no time limit, unless the words say one. What a person starts comes last: the learner, where channel.address is
    that of another machine, and the keyboard's process, which is told what is of it.

    Args:
        graph: train_peg, record_demos, distill, evaluate or teleop.
        overrides: KEY=VALUE words.
        namespace: of all ROS nodes, such as "left_arm"; "" for none.

    Raises:
        UnknownNameError: no such graph, or a key or choice that the configuration does not have.
        ConfigError: a value that the configuration refuses, or a namespace that ROS would.
    """
    if graph not in _GRAPHS:
        raise UnknownNameError("graph", graph, _GRAPHS)
    check_namespace(namespace.removeprefix("/"))
    chosen = _GRAPHS[graph]
    config = configuration.load(chosen.schema, chosen.config, list(overrides))
    if isinstance(config, PolicyConfig):
        config = named_policy.resolve(config, chosen.config, overrides)
    config.check_device()
    if graph == "teleop" and config.teleop.kind == "none":
        others = ", ".join(name for name in configuration.choices("teleop") if name != "none")
        raise ConfigError(f"with teleop=none nobody drives; choose one of: {others}.")
    kind: str = config.robot.kind
    if kind not in _ROBOTS:
        raise UnknownNameError("robot", kind, _ROBOTS)
    if isinstance(config, TrainConfig):
        run = run_directory(config)
        arguments = _with_channel(_with_run_dir(overrides, run), config)
    else:
        run = Path("runs", f"{graph}-{config.task.name}-{time.strftime('%Y%m%d-%H%M%S')}").absolute()
        has_limit = configuration.is_said(_STEP_LIMIT, overrides) or not (chosen.is_persons and config.teleop.is_device)
        limit = () if has_limit else (f"{_STEP_LIMIT}={_NO_STEP_LIMIT}",)
        arguments = ("--config", chosen.config, *overrides, *limit)
    judges = (_REWARD_CLASSIFIER,) if config.reward.kind == "classifier" else ()
    hands = (_TELEOP,) if config.teleop.is_device and config.teleop.kind != "keyboard" else ()
    eyes = (_CAMERAS,) if config.camera.is_device and config.robot.cameras else ()
    members = (*_ROBOTS[kind], *eyes, *judges, *hands)
    robot = [each if each.restart is Restart.NEVER else replace(each, restart=chosen.restart) for each in members]
    is_led = isinstance(config, TrainConfig) and parse_address(config.channel.address).is_elsewhere
    started = [
        replace(process, arguments=arguments, namespace=namespace, log_file=run / "logs" / f"{process.name}.log")
        for process in (*robot, *chosen.processes)
        if not (is_led and process is _LEARNER)
    ]
    if isinstance(config, TrainConfig) and is_led:
        started.append(_make_learner_elsewhere(overrides, config))
    if config.teleop.kind == "keyboard":
        started.append(_make_keyboard(overrides, namespace))
    return started


def _make_learner_elsewhere(overrides: Sequence[str], config: TrainConfig) -> ProcessSpec:
    """The learner on another machine, where the run's folder is another, too, and nobody knows a free port."""
    host, port = parse_address(config.channel.address)
    if config.channel.keys is None:
        raise ConfigError(
            f"a learner on another machine ({host}) needs channel.keys=FOLDER, the same on both; "
            "`robot-rl make-keys FOLDER` makes it."
        )
    said = config.run_dir or str(Path("runs", run_directory(config).name))
    words = (word for word in overrides if _key_of(word) not in ("run_dir", "channel.address"))
    arguments = (*words, f"run_dir={_quote(said)}", f"channel.address=tcp://*:{port}")
    return replace(_LEARNER, program=("robot-rl", "learner"), machine=host, arguments=arguments)


def _make_keyboard(overrides: Sequence[str], namespace: str) -> ProcessSpec:
    """A keyboard needs a terminal, which no process of a graph has."""
    words = (word for word in overrides if _KEYBOARD_KEYS.fullmatch(word.partition("=")[0]))
    return replace(_KEYBOARD, arguments=(*words, *(("--namespace", namespace.strip("/")) if namespace else ())))


def run_directory(config: TrainConfig) -> Path:
    """The run's folder, absolute: as configured, or runs/TASK-AGENT-SEED, so that the same command resumes the run."""
    name = f"{config.task.name}-{config.agent.name}-{config.seed}"
    return Path("runs", name).absolute() if config.run_dir is None else Path(config.run_dir).absolute()


def _with_run_dir(words: Sequence[str], run: Path) -> tuple[str, ...]:
    """The words with this folder, in quotes: it may hold spaces, commas and whatever else has a meaning to Hydra."""
    others = (word for word in words if _key_of(word) != "run_dir")
    return (*others, f"run_dir={_quote(str(run))}")


def _quote(text: str) -> str:
    if re.fullmatch(r"[\w./-]+", text, re.ASCII):
        return text
    quoted = re.sub(r"(\\*)'", r"\1\1\\'", text).replace("${", r"\${")
    return f"'{quoted}'"


def _with_channel(words: tuple[str, ...], config: TrainConfig) -> tuple[str, ...]:
    """The words with a free port of this machine for the channel, unless an address is configured."""
    is_given = any(_key_of(word) == "channel.address" for word in words)
    if is_given or config.channel.address != ChannelConfig().address:
        return words
    return (*words, f"channel.address=tcp://127.0.0.1:{find_free_port()}")


def _key_of(word: str) -> str:
    return word.partition("=")[0].strip("+ ")


def find_free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
