"""What learner, actors and a resumed folder must agree upon, and how a difference is said."""

from dataclasses import replace

import pytest

from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.runtime.assembly import make_env, make_spec
from robot_rl.runtime.channels.agreement import describe_difference, find_difference, to_agreement
from robot_rl.runtime.channels.channel_config import ChannelConfig
from robot_rl.runtime.channels.connection import make_actor_channel, make_learner_channel
from robot_rl.runtime.channels.curve import make_keys
from robot_rl.runtime.config import TrainConfig
from tests.contracts import until


def test_what_each_process_may_choose_is_no_difference():
    one = TrainConfig()
    other = replace(
        one, run_dir="elsewhere", device="cpu", threads=2, channel=ChannelConfig("tcp://127.0.0.1:1", actor=3)
    )
    assert to_agreement(one) == to_agreement(other)
    assert find_difference(one, other) == ""


def test_every_difference_is_named_with_both_values_and_many_are_counted():
    one, other = TrainConfig(), TrainConfig(seed=4, channel=ChannelConfig(is_synchronous=False))
    words = describe_difference(to_agreement(one), to_agreement(other))
    assert "channel.is_synchronous (the learner has true, this actor false)" in words
    assert "seed (the learner has 0, this actor 4); start both" in words
    many = TrainConfig(seed=1, replay=replace(one.replay, capacity=7), publish_every_steps=2, demonstrations=1)
    many = replace(many, agent=replace(one.agent, utd=9, n_step=1, stack=2))
    assert find_difference(one, many).endswith("and 2 more")


def test_a_run_may_become_longer_while_its_actor_may_not_think_so_alone():
    one, other = TrainConfig(steps=100), TrainConfig(steps=200)
    assert find_difference(one, other) == ""
    assert "steps (the learner has 100, this actor 200)" in describe_difference(to_agreement(one), to_agreement(other))


@pytest.mark.parametrize("text", ["", "3", "[" * 100_000, '{"a": '])
def test_what_is_no_configuration_is_said_to_be_none(text):
    assert "must be that of a training run" in describe_difference(to_agreement(TrainConfig()), text)


@pytest.mark.parametrize("words", [("task=peg",), ("task=pick_cube", "robot=sim_pixels", "robot.image_size=32")])
def test_the_spec_needs_no_environment(words):
    config = configuration.load(TrainConfig, "train", words)
    assert make_spec(config) == make_env(config).spec


def test_keys_of_a_folder_let_both_sides_meet_and_are_needed_beyond_this_machine(tmp_path):
    make_keys(tmp_path / "keys")
    config = TrainConfig(channel=ChannelConfig("tcp://127.0.0.1:0", keys=str(tmp_path / "keys")))
    spec = make_spec(config)
    learner = make_learner_channel(config, spec)
    actor = make_actor_channel(replace(config, channel=replace(config.channel, address=learner.address)), spec)
    learner.announce(5, {})
    until(lambda: actor.progress is not None)
    assert actor.progress.steps == 5
    actor.close()
    learner.close()
    with pytest.raises(ConfigError, match="CURVE keys"):
        make_learner_channel(TrainConfig(channel=ChannelConfig("tcp://0.0.0.0:5555")), spec)
    (tmp_path / "keys" / "actor.key").unlink()
    with pytest.raises(ConfigError, match=r"public certificate NAME\.key of each actor"):
        make_learner_channel(config, spec)


@pytest.mark.parametrize(("values", "words"), [({"actor": -1}, "channel.actor"), ({"patience_s": 0.0}, "patience_s")])
def test_nonsense_is_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        ChannelConfig(**values)
