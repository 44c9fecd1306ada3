"""An actor in this thread: a process in all but name. See `served` for its learner."""

from dataclasses import replace

from robot_rl.data.store_reader import StoreReader
from robot_rl.runtime.acting.remote_actor import run_remote_actor
from robot_rl.runtime.channels.channel_config import ChannelConfig
from robot_rl.runtime.channels.connection import make_actor_channel
from robot_rl.runtime.config import TeleopConfig
from robot_rl.runtime.learning import demonstrations, learner_run
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.types import Reason
from tests.runs import make_agent_config, make_fake_env, make_train_config, use_fake_envs


class Notes(Observer):
    def __init__(self):
        self.started, self.evaluations, self.results, self.steps = [], [], [], 0

    def on_start(self, step):
        self.started.append(step)

    def on_step(self, time_step):
        self.steps += not time_step.is_first

    def on_episode_end(self, episode):
        self.results.append(episode)

    def on_evaluation(self, step, evaluation):
        self.evaluations.append((step, evaluation))


def act(config, notes=None, is_interrupted=lambda: False, on_step=None):
    """One actor's process: what it returned."""
    env, evaluation_env = make_fake_env(config), make_fake_env(replace(config, teleop=TeleopConfig()))
    channel = make_actor_channel(config, env.spec)
    observers = [notes or Notes()]
    if on_step is not None:
        observers[0].on_step = on_step
    evaluation = None
    try:
        evaluation = run_remote_actor(env, evaluation_env, config, channel, observers, is_interrupted)
    finally:
        channel.close(has_finished=evaluation is not None)
        stop = env.robot.arm.state().stop
        assert stop.reason is Reason.REQUESTED, "whatever happens, the robot is stopped"
    return evaluation


def use_fakes(monkeypatch):
    """Let both sides of a run have fake environments."""
    use_fake_envs(monkeypatch)
    for module in (learner_run, demonstrations):  # the real one takes longer than a run
        monkeypatch.setattr(module, "describe", lambda config: {"seed": config.seed})


def configure(**values):
    channel = ChannelConfig("tcp://127.0.0.1:0", **{"patience_s": 2.0, **values.pop("channel", {})})
    return make_train_config(**{"channel": channel, "agent": make_agent_config(name="bc"), **values})


def stored(path):
    return list(StoreReader(path / "experience").records())


def places(path):
    return [(record.episode, record.step) for record in stored(path)]
