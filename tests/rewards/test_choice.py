"""Who judges: the task's own test, a classifier of images, or a person's buttons; in one process."""

import numpy as np
import pytest

from robot_rl import config as configuration
from robot_rl.env.judged_task import JudgedReset, JudgedTask, PersonsJudge
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ConfigError, SetupError
from robot_rl.rewards.config import RewardConfig
from robot_rl.rewards.reward import Judgement
from robot_rl.robot.only_buttons import OnlyButtons
from robot_rl.runtime.config import EnvConfig, TrainConfig
from robot_rl.runtime.judging import make_judge
from robot_rl.runtime.processes.graph import list_processes
from robot_rl.types import Button, Command, Outcome
from tests import simcells
from tests.fakes import Act, make_cell
from tests.rewards import judged


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return judged.write(tmp_path_factory.mktemp("classifier") / "reach.safetensors", ("near", "there"))


def test_a_classifier_pays_each_stage_once_and_ends_the_episode(words):
    cell = simcells.make(*words, "teleop=expert")
    rewards = []
    for seed in range(50, 54):
        is_success, steps = simcells.play(cell, seed)
        rewards.append(sum(step.reward for step in steps))
        assert isinstance(cell.env.outcome, Judgement)
        assert set(cell.env.outcome.probabilities) == {"near", "there"}
        assert is_success == (rewards[-1] == 2.0) == steps[-1].is_terminal
    assert 2.0 in rewards
    assert max(rewards) == 2.0


def test_images_confirm_each_other_only_within_the_debounce(words):
    slow = simcells.make(*words, "teleop=expert", "reward.debounce.required=20", "reward.debounce.window=20")
    assert not simcells.play(slow, 50)[0], "no episode shows success so often"


def test_images_that_come_too_seldom_to_confirm_each_other_are_refused(words):
    def judge(*more):
        return make_judge(configuration.load(EnvConfig, "env", [*words, *more]))

    slow = "task.episode.rate_hz=1"
    with pytest.raises(ConfigError, match=r"with task\.episode\.rate_hz=1 images.*reward\.debounce\.max_gap_s=0\.5 s"):
        judge(slow)
    for possible in ("reward.debounce.max_gap_s=1", "reward.debounce.required=1", "task.episode.rate_hz=2"):
        assert judge(slow, possible) is not None


def test_real_cameras_have_a_rate_of_their_own(words):
    cameras = "camera.realsense=[{name: wrist, rate_hz: 30}, {name: side, serial: '2', rate_hz: 1}, {name: top}]"
    config = configuration.load(EnvConfig, "env", [*words, "camera=realsense", cameras])
    with pytest.raises(ConfigError, match=r"with the rate_hz=1 of a camera\.realsense images"):
        make_judge(config)


def test_images_that_may_never_be_of_one_moment_are_refused(words):
    """Cameras run freely: their clocks drift to the worst phase, and stay there for minutes."""

    def judge(rate_hz, *more):
        cameras = f"camera.realsense=[{{name: wrist, rate_hz: {rate_hz}}}, {{name: side, serial: '2'}}, {{name: top}}]"
        return make_judge(configuration.load(EnvConfig, "env", [*words, "camera=realsense", cameras, *more]))

    assert judge(15) is not None, "beside each there is one of the faster camera"
    slow = "camera.realsense=[{name: wrist, rate_hz: 15}, {name: side, serial: '2', rate_hz: 15}, {name: top}]"
    with pytest.raises(ConfigError, match=r"at 15 and 15 Hz .* 0\.033 s apart, and with reward\.max_skew_s=0\.03 none"):
        judge(15, slow)
    assert judge(15, slow, "reward.max_skew_s=0.034") is not None


def test_a_classifier_of_other_images_is_answered_with_what_it_looks_at(words):
    with pytest.raises(ConfigError, match=r"\['wrist', 'side'\] with 32 pixels, and the robot has \['wrist'\] with 64"):
        simcells.make(*words, "robot.cameras=[wrist]", "robot.image_size=64")


@pytest.mark.parametrize(("agent", "key"), [("agent=rlpd", "rlpd"), ("corrector=chooser", "corrector")])
def test_what_several_stages_pay_must_be_within_the_values_that_are_learned(words, agent, key):
    def judge(*more):
        return make_judge(configuration.load(TrainConfig, "train", [*words, agent, *more]))

    with pytest.raises(ConfigError, match=rf"\['near', 'there'\].*at most 1: set agent\.{key}\.return_range=\[0,2\]"):
        judge()
    for possible in ("[0,2]", "null"):
        assert judge(f"agent.{key}.return_range={possible}") is not None


def test_who_learns_no_values_may_be_paid_anything(words):
    assert make_judge(configuration.load(TrainConfig, "train", [*words, "agent=bc"])) is not None


def test_a_classifier_needs_a_file():
    with pytest.raises(ConfigError, match=r"reward\.file=FILE"):
        configuration.load(EnvConfig, "env", ["reward=classifier"])
    with pytest.raises(SetupError, match="train-classifier"):
        simcells.make(*judged.PIXELS, "reward=classifier", "reward.file=nowhere.safetensors")


@pytest.mark.parametrize("skew_s", [-0.1, float("nan"), float("inf")])
def test_how_far_apart_images_of_one_moment_lie_is_a_number(skew_s):
    with pytest.raises(ConfigError, match=rf"max_skew_s must be finite and not negative, got {skew_s}"):
        RewardConfig(max_skew_s=skew_s)


@pytest.mark.parametrize("graph", ["train_peg", "record_demos", "teleop"])
def test_a_classifier_is_a_process_of_the_graph_and_the_other_judges_are_not(graph):
    def names(*words):
        return [process.name for process in list_processes(graph, ("teleop=human", *words))]

    assert names("reward=task") == names("reward=button")
    more = names("reward=classifier", "reward.file=reach.safetensors")
    assert [name for name in more if name not in names()] == ["reward_classifier"]


@pytest.mark.parametrize("teleop", ["expert", "none"])
def test_with_buttons_the_scripted_person_says_when_the_task_is_solved(teleop):
    cell = simcells.make("task=reach", "reward=button", f"teleop={teleop}", "task.episode.step_limit=30")
    is_success, steps = simcells.play(cell, 3)
    assert is_success == (teleop == "expert")
    assert sum(step.reward for step in steps) == float(is_success)
    if is_success:
        assert steps[-1].is_terminal
        assert cell.task.is_success()


def test_whoever_judges_the_persons_button_has_the_last_word():
    cell = make_cell([Act(0.05, 0.15, buttons=frozenset({Button.FAILURE}))], step_limit=5)
    judge = PersonsJudge()
    cell.task.outcome = Outcome(1.0, is_terminal=True, is_success=True)
    task, reset = JudgedTask(cell.task, judge), JudgedReset(cell.reset, judge)
    env = RobotEnv(cell.env.robot, task, reset, cell.clock, cell.env.config, cell.teleop)
    env.reset(seed=0)
    assert env.step(np.zeros(6)).is_terminal
    assert env.outcome == Outcome(0.0, is_terminal=True)


def test_in_an_evaluation_a_person_may_judge_and_not_move():
    cell = make_cell([Act(0.0, 1.0, (1.0,) * 6, 1.0, frozenset({Button.SUCCESS}))])
    teleop = OnlyButtons(cell.teleop)
    teleop.reset(seed=0)
    command = teleop.read()
    assert isinstance(command, Command)
    assert (command.buttons, command.gripper, command.twist_base.any()) == ({Button.SUCCESS}, 0.0, False)
    assert OnlyButtons(cell.teleop, frozenset({Button.PAUSE})).read().buttons == frozenset()
    cell.waste(2.0)
    assert teleop.read() is None
