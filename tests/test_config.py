"""Configuration: every file loads, a wrong word is answered with the right ones, and nothing is swallowed."""

import dataclasses

import pytest
import yaml
from pydantic import TypeAdapter

from robot_rl import config as configuration
from robot_rl.data.replay import ReplayConfig
from robot_rl.errors import ConfigError, RobotRLError, UnknownNameError
from robot_rl.runtime.config import EnvConfig, RecordConfig, TeleopConfig, TrainConfig
from robot_rl.runtime.policy_config import DistillConfig, EvalConfig
from robot_rl.runtime.pretraining.config import PretrainConfig
from robot_rl.sim.human import HumanConfig

FILES = sorted((path.parent.name, path.stem) for path in configuration.config_directory().glob("*/*.yaml"))


def load(*words):
    return configuration.load(EvalConfig, "eval", words)


def test_without_words_the_defaults_of_the_dataclasses_hold():
    assert load() == EvalConfig()
    assert configuration.load(EnvConfig, "env") == EnvConfig()


NEEDED = {"classifier": ["reward.file=peg.safetensors"], "backward_policy": ["reset.policy=runs/reach"]}
"""What some choices ask for beside their name."""


@pytest.mark.parametrize(("group", "name"), FILES)
def test_every_file_loads(group, name):
    training = (TrainConfig, "train")
    commands = {"agent": training, "corrector": training, "base_policy": (PretrainConfig, "pretrain")}
    schema, command = commands.get(group, (EvalConfig, "eval"))
    config = configuration.load(schema, command, [f"{group}={name}", *NEEDED.get(name, [])])
    assert isinstance(config, schema)
    assert name in configuration.choices(group)
    text = (configuration.config_directory() / group / f"{name}.yaml").read_text()
    for key, value in (yaml.safe_load(text) or {}).items():
        part = config if "@package _global_" in text else getattr(config, group)
        if not isinstance(value, dict) and key != "defaults":
            assert configuration.to_plain(part)[key] == value, "the file's value is in force"


def test_files_were_found():
    assert {group for group, _ in FILES} == set(configuration.groups()) >= {"robot", "task", "teleop"}


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        (["episodes=7"], "episodes", 7),
        (["task=plug"], "task.name", "plug"),
        (["task.scene.clearance_m=0.0003"], "task.scene.clearance_m", 0.0003),
        (["task.scene.clearance_m=3e-4"], "task.scene.clearance_m", 0.0003),
        (["task.scene.start_height_range_m=[0.01,0.02]"], "task.scene.start_height_range_m", (0.01, 0.02)),
        (["robot.cameras=[wrist]"], "robot.cameras", ("wrist",)),
        (["task=peg_hard", "task.scene.clearance_m=0.5"], "task.scene.clearance_m", 0.5),
        (["task.scene.clearance_m=0.5", "task=peg_hard"], "task.scene.clearance_m", 0.5),
        (["video=null"], "video", None),
        (["video=a.mp4"], "video", "a.mp4"),
        (["teleop.human.budget_s=inf"], "teleop.human.budget_s", float("inf")),
        (["task.episode.has_gripper=true"], "task.episode.has_gripper", True),
    ],
)
def test_words_override_files_whatever_their_order(words, path, value):
    node = load(*words)
    for name in path.split("."):
        node = getattr(node, name)
    assert node == value
    assert type(node) is type(value)


def test_the_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().episodes = 3


@pytest.mark.parametrize(
    ("word", "valid"),
    [
        ("tsak=peg", "task"),
        ("task=pegg", "peg, peg_hard, pick_cube, plug, reach"),
        ("robot=real", "external, fci_sim, fr3, panda, sim, sim_pixels"),
        ("teleop=joystick", "blind, expert, gamepad, human, joy, keyboard, none, spacemouse, twist"),
        ("task.scene.clearence_m=1", "clearance_m"),
        ("task.scen.clearance_m=1", "scene"),
        ("+task.scene.clearence_m=1", "clearance_m"),
        ("+episode=3", "episodes"),
        ("++task.episode.ratehz=5", "rate_hz"),
        ("task=", "peg, peg_hard"),
        ("task=[peg,pegg]", "peg, peg_hard"),
        ("robot=null", "external, fci_sim, fr3, panda, sim, sim_pixels"),
        ("agent=rlpd", "task"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(word, valid):
    with pytest.raises(RobotRLError) as raised:
        load(word)
    assert valid in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_group_that_is_no_key_of_the_configuration_lists_its_choices_too():
    with pytest.raises(UnknownNameError, match="Unknown corrector 'additiv'"):
        configuration.load(TrainConfig, "train", ["corrector=additiv"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["agent.corrector.scale=0.3"], "agent.corrector.scale=0.3 is for a corrector, and agent=rlpd has none"),
        (["agent=bc", "agent.corrector.return_range=null"], "corrector.return_range=None is .*agent=bc has none"),
        (["agent=bc", "agent.rlpd.gamma=0.9"], "agent.rlpd.gamma=0.9 is for an agent with critics, and agent=bc"),
        (["agent=hg_dagger", "agent.n_step=1"], "agent.n_step=1 is for an agent with critics"),
        (["corrector=none", "agent.corrector.gate_steps=10"], "agent.corrector.gate_steps=10 is for a corrector"),
        (["corrector=additive", "agent=rlpd"], "corrector=additive does not go with agent=rlpd"),
    ],
)
def test_what_an_agent_does_not_look_at_is_refused(words, message):
    with pytest.raises(ConfigError, match=message) as raised:
        configuration.load(TrainConfig, "train", words)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("agent.rlpd.gamma=0.9", "agent.rlpd.gamma=0.9 is for an agent without a base policy, and corrector=chooser"),
        ("agent.rlpd.return_range=null", "agent.rlpd.return_range=None is for an agent without a base policy"),
        ("agent.std=0.5", "agent.std=0.5 is for"),
        ("agent.grasp_penalty=-1", "agent.grasp_penalty=-1.0 is for"),
        ("agent.grasp_open_from=0.5", "agent.grasp_open_from=0.5 is for"),
        ("agent.corrector.scale=0.3", "scale=0.3 is for corrector=additive or edit_select, and corrector=chooser"),
        ("agent.corrector.keeps_base=true", "keeps_base=True is for corrector=additive, and corrector=chooser"),
        ("agent.corrector.noise_bound=2", "noise_bound=2.0 is for corrector=noise_steer, and corrector=chooser"),
    ],
)
def test_what_a_corrector_does_not_look_at_is_refused(word, message):
    with pytest.raises(ConfigError, match=message) as raised:
        configuration.load(TrainConfig, "train", ["corrector=chooser", word])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("corrector", "word"),
    [
        ("identity", "noise_std=0.2"),
        ("identity", "gate_steps=10"),
        ("identity", "caution_updates=10"),
        ("best_of_n", "imitation_weight=1"),
        ("best_of_n", "actor_learning_rate=1e-2"),
        ("best_of_n", "actor_warmup_updates=10"),
        ("best_of_n", "target_noise_std=0.1"),
        ("noise_steer", "target_noise_limit=0.2"),
        ("noise_steer", "imitation_weight=1"),
        ("noise_steer", "caution_updates=10"),
    ],
)
def test_what_only_other_correctors_look_at_is_refused(corrector, word):
    with pytest.raises(ConfigError, match=rf"{word.split('=')[0]}=.* corrector={corrector} does not look at it"):
        configuration.load(TrainConfig, "train", [f"corrector={corrector}", f"agent.corrector.{word}"])


def test_critics_of_chunks_have_no_other_number_of_steps():
    words = ["corrector=edit_select", "agent.n_step=5"]
    assert configuration.load(TrainConfig, "train", words).agent.window == 5
    with pytest.raises(ConfigError, match=r"n_step=5 is for critics of single actions: .*chunk=4"):
        configuration.load(TrainConfig, "train", [*words, "agent.corrector.chunk=4"])


def test_what_is_imitated_first_has_a_share_of_what_is_learned_from():
    shares = "replay.shares={online: 1.0, demonstration: 0.0, intervention: 0.0}"
    with pytest.raises(ConfigError, match=r"nothing of a batch is of demonstrations, .*pretrain_updates=0"):
        configuration.load(TrainConfig, "train", [shares])
    for word in ("agent.pretrain_updates=0", "demonstrations=0"):
        configuration.load(TrainConfig, "train", [shares, word])


def test_a_takeover_is_not_better_than_every_other_end():
    words = ["agent.rlpd.reward_bias=-1", "agent.rlpd.return_range=null"]
    assert configuration.load(TrainConfig, "train", words).agent.reward_bias == -1.0
    with pytest.raises(ConfigError, match=r"a takeover pays nothing, .*reward_bias must not be negative"):
        configuration.load(TrainConfig, "train", [*words, "agent.takeover_discount=0"])


@pytest.mark.parametrize(
    "corrector", [file.stem for file in sorted(configuration.config_directory().glob("corrector/*"))]
)
def test_what_every_corrector_is_shipped_with_is_accepted(corrector):
    assert configuration.load(TrainConfig, "train", [f"corrector={corrector}"]).agent.corrector.name == corrector


@pytest.mark.parametrize("words", [["corrector=additive"], ["agent=residual"]])
def test_what_a_corrector_is_told_holds_where_there_is_one(words):
    config = configuration.load(TrainConfig, "train", [*words, "agent.corrector.scale=0.3"])
    assert config.agent.corrector.scale == 0.3


@pytest.mark.parametrize(
    ("word", "words_of_the_message"),
    [
        ("episodes=many", ["episodes", "many", "integer"]),
        ("episodes=2.5", ["episodes", "2.5", "integer"]),
        ("task.scene.clearance_m=abc", ["task.scene.clearance_m", "abc", "number"]),
        ("task.episode.action_frame=world", ["action_frame", "world", "tcp", "base"]),
        ("robot.kind=real", ["robot.kind", "real", "sim"]),
        ("reset.kind=magic", ["teleport", "scripted"]),
        ("reset=backward_policy", ["reset.policy=RUN"]),
        ("reward=classifier", ["reward.file=FILE", "train-classifier"]),
        ("robot.cameras=wrist", ["robot.cameras", "wrist"]),
        ("task.scene.start_height_range_m=[1,2,3]", ["start_height_range_m"]),
        ("task.episode=3", ["task.episode", "3"]),
        ("task.scene=null", ["task.scene"]),
        ("task.episode.rate_hz=0", ["rate_hz", "positive"]),
        ("robot.image_size=0", ["image_size"]),
        ("~task.scene.clearence_m", ["~task.scene.clearence_m"]),
        ("task", ["task", "key=value"]),
        ("task.scene.start_height_range_m=[0.1", ["[0.1"]),
        ("=peg", ["key"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_right(word, words_of_the_message):
    with pytest.raises(RobotRLError) as raised:
        load(word)
    for expected in words_of_the_message:
        assert expected in str(raised.value)


def test_a_wrong_key_in_a_file_is_no_smaller_mistake(tmp_path, monkeypatch):
    for name in ("eval.yaml", "env.yaml"):
        (tmp_path / name).write_text((configuration.config_directory() / name).read_text())
    for group in configuration.groups():
        (tmp_path / group).mkdir()
        for path in (configuration.config_directory() / group).glob("*.yaml"):
            (tmp_path / group / path.name).write_text(path.read_text())
    (tmp_path / "task" / "peg.yaml").write_text("name: peg\nscene:\n  clearence_m: 0.001\n")
    monkeypatch.setattr(configuration, "config_directory", lambda: tmp_path)
    with pytest.raises(UnknownNameError, match="clearance_m"):
        load()


def test_an_error_does_not_spoil_the_next_load():
    with pytest.raises(ConfigError):
        load("episodes=many")
    assert load("episodes=3").episodes == 3


@pytest.mark.parametrize("words", [(), ("task=pick_cube", "robot=sim_pixels", "teleop=human"), ("video=x.mp4",)])
def test_yaml_and_back_is_the_same(words):
    config = load(*words)
    plain = yaml.safe_load(configuration.to_yaml(config))
    assert TypeAdapter(EvalConfig).validate_python(plain) == config
    assert plain == configuration.to_plain(config)


SCHEMAS = {"distill": DistillConfig, "env": EnvConfig, "eval": EvalConfig, "record": RecordConfig, "train": TrainConfig}


@pytest.mark.parametrize("name", SCHEMAS)
def test_from_yaml_is_the_inverse_of_to_yaml(name):
    schema = SCHEMAS[name]
    words = ["task=pick_cube", "robot=sim_pixels", "teleop=human", "task.scene.clearance_m=1e-7"]
    for config in (schema(), configuration.load(schema, name), configuration.load(schema, name, words)):
        assert configuration.from_yaml(schema, configuration.to_yaml(config)) == config


@pytest.mark.parametrize("agent", ["bc", "hg_dagger", "hil_serl", "rlpd"])
def test_every_agent_comes_back_from_yaml(agent):
    config = configuration.load(TrainConfig, "train", [f"agent={agent}", "agent.rlpd.learning_rate=1e-5"])
    found = configuration.from_yaml(TrainConfig, configuration.to_yaml(config))
    assert found == config
    assert type(found.agent.hidden) is tuple
    assert found.agent.rlpd.learning_rate == 1e-5


@pytest.mark.parametrize("budget_s", [float("inf"), 0.0, 12.5])
def test_infinity_comes_back_from_yaml(budget_s):
    config = TrainConfig(teleop=TeleopConfig("human", HumanConfig(budget_s=budget_s)))
    text = configuration.to_yaml(config)
    assert (".inf" in text) == (budget_s == float("inf"))
    assert configuration.from_yaml(TrainConfig, text).teleop.human.budget_s == budget_s


@pytest.mark.parametrize("shares", [{"online": 1.0}, {"online": 0.5, "anchor": 0.5}, {"demonstration": 1.0}])
def test_every_choice_of_shares_comes_back_from_yaml(shares):
    config = TrainConfig(replay=ReplayConfig(shares=shares))
    assert configuration.from_yaml(TrainConfig, configuration.to_yaml(config)) == config


def test_what_a_file_does_not_say_has_its_default():
    assert configuration.from_yaml(EvalConfig, "episodes: 3\n") == EvalConfig(episodes=3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("episods: 3\n", "episodes"),
        ("task:\n  scene:\n    clearence_m: 0.001\n", "clearance_m"),
        ("3: 4\n", "episodes"),
        ("episodes: many\n", "integer"),
        ("episodes: .inf\n", "episodes"),
        ("task:\n  scene:\n    clearance_m: -1.0\n", "clearance_m must be positive"),
        ("robot: null\n", "robot"),
        ("- 1\n- 2\n", "dictionary"),
        ("just words", "dictionary"),
        ("", "dictionary"),
        ("episodes: [\n", "line 2"),
        ("video: \x00\n", "not allowed"),
        ("video: !!python/object/apply:os.getpid []\n", "python"),
    ],
)
def test_a_wrong_text_is_a_clear_error(text, expected):
    with pytest.raises(RobotRLError) as raised:
        configuration.from_yaml(EvalConfig, text)
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_was_saved_is_amended_by_words():
    saved = load("task=plug", "task.scene.clearance_m=0.002")
    amended = configuration.amend(saved, ["episodes=7", "task.scene.clearance_m=0.001"])
    assert (amended.episodes, amended.task.name, amended.task.scene.clearance_m) == (7, "plug", 0.001)
    assert configuration.amend(saved, []) == saved


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("episode=7", "episodes"),
        ("episodes", "not of the form key=value"),
        ("episodes=many", "integer"),
        ("task=peg", "task='peg'"),
        ("~episodes=10", "episodes cannot be taken out"),
        ("episodes={", "Cannot read"),
    ],
)
def test_a_saved_configuration_takes_no_wrong_words(word, expected):
    with pytest.raises(RobotRLError) as raised:
        configuration.amend(load(), [word])
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "word", ["task.episode.max_force_n=inf", "graph.lease_s=nan", "task.episode.box_lower_m=[-inf,0,0]"]
)
def test_a_limit_that_limits_nothing_is_none(word):
    with pytest.raises(ConfigError, match=rf"{word.partition('=')[0]} must be finite"):
        load(word)
    assert load("teleop.human.budget_s=inf").teleop.human.budget_s == float("inf"), (
        "it is the default, and means without end"
    )


@pytest.mark.parametrize("seconds", ["0", "-1", "1e-12", "0.009", "3601", "1e12"])
def test_an_arm_whose_commander_is_gone_is_stopped_within_a_sensible_time(seconds):
    with pytest.raises(ConfigError, match=rf"graph\.lease_s must lie in \[0\.01, 3600\], got {float(seconds)} s"):
        load(f"graph.lease_s={seconds}")


@pytest.mark.parametrize("seconds", [0.01, 3600.0])
def test_the_ends_of_that_range_are_allowed(seconds):
    assert load(f"graph.lease_s={seconds}").graph.lease_s == seconds
