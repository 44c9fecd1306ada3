"""Demonstrations are kept whole, continue a recording, and survive an interruption."""

import pytest

from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import StoreError
from robot_rl.runtime.acting.policies import ZeroPolicy
from robot_rl.runtime.recorder import record_demonstrations
from robot_rl.types import Button, Reason, Source
from tests.fakes import Act, make_cell
from tests.runs import FINISH, PUSH, make_people_cell, numbers


def record(cell, path, episodes, seed=0, *, is_success_only=True, on_episode=lambda kept, is_success: True):
    return record_demonstrations(
        cell.env, path, {"who": "a test"}, episodes, seed, is_success_only=is_success_only, on_episode=on_episode
    )


def stored(path):
    return list(StoreReader(path).records())


class Moody:
    """Succeeds in every second episode only; the task's time and the person's are the same."""

    def __init__(self):
        self.cell = make_cell([PUSH], step_limit=6, takeover_hold_s=0.05)
        self.count = 0
        reset = self.cell.env.reset

        def change(seed):
            self.count += 1
            self.cell.teleop.acts = [PUSH, FINISH] if self.count % 2 == 0 else [PUSH]
            return reset(seed)

        self.cell.env.reset = change


def test_only_successes_are_kept_and_each_of_them_whole(tmp_path):
    moody, heard = Moody(), []
    kept = record(moody.cell, tmp_path, 2, on_episode=lambda kept, is_success: heard.append((kept, is_success)) or True)
    assert kept == 2
    assert heard == [(0, False), (1, True), (1, False), (2, True)]
    records = stored(tmp_path)
    assert [(r.episode, r.step, r.is_success) for r in records] == [
        (episode, step, step == 4) for episode in (1, 3) for step in range(5)
    ]
    assert records[4].time_step.is_terminal
    assert StoreReader(tmp_path).attributes == {"who": "a test"}


def test_failures_are_kept_where_that_is_wanted(tmp_path):
    assert record(Moody().cell, tmp_path, 2, is_success_only=False) == 2
    records = stored(tmp_path)
    assert [(r.episode, r.step) for r in records] == [(0, s) for s in range(7)] + [(1, s) for s in range(5)]
    assert [r.is_success for r in records].count(True) == 1


def test_what_the_person_did_is_a_demonstration_and_no_weights_acted(tmp_path):
    record(make_people_cell("expert"), tmp_path, 1)
    records = stored(tmp_path)
    sources = [r.time_step.source for r in records]
    assert sources == [Source.POLICY, Source.POLICY, Source.DEMO, Source.DEMO, Source.POLICY]
    assert {r.policy_version for r in records} == {-1}
    assert abs(records[2].time_step.applied_action).max() > 0.1
    assert not records[1].time_step.applied_action.any(), "the policy below asks for nothing"


def test_a_policy_that_is_recorded_is_told_of_the_person_who_had_the_robot(tmp_path):
    class Planning(ZeroPolicy):
        def __init__(self, spec):
            super().__init__(spec)
            self.heard = []

        def reset(self):
            self.heard.append("reset")

        def invalidate(self):
            self.heard.append("void")

        def __call__(self, observation):
            self.heard.append("act")
            return super().__call__(observation)

    cell = make_people_cell("expert")
    policy = Planning(cell.env.spec)
    record_demonstrations(
        cell.env, tmp_path, {}, 1, 0, is_success_only=True, on_episode=lambda kept, is_success: True, policy=policy
    )
    assert [r.time_step.source for r in stored(tmp_path)][2:4] == [Source.DEMO, Source.DEMO]
    assert policy.heard == ["reset", "act", "act", "void", "act", "void", "act"]


def test_a_recording_is_continued_with_new_episodes_and_new_scenes(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    record(make_people_cell("expert"), whole, 3)
    for episodes in (1, 2):
        assert record(make_people_cell("expert"), parts, episodes) == episodes
    assert [numbers(r) for r in stored(parts)] == [numbers(r) for r in stored(whole)]
    scenes = {r.time_step.observation.proprio["task"].tobytes() for r in stored(whole) if r.step == 0}
    assert len(scenes) == 3


def test_the_seed_is_that_of_the_scenes(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        record(make_people_cell("expert"), tmp_path / name, 1, seed)
    a, b, c = ([numbers(r) for r in stored(tmp_path / name)] for name in "abc")
    assert a == b != c


def test_it_ends_when_it_is_told_to_with_what_was_kept(tmp_path):
    assert record(make_people_cell("expert"), tmp_path, 9, on_episode=lambda kept, is_success: kept < 2) == 2
    assert {r.episode for r in stored(tmp_path)} == {0, 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the cable broke")])
def test_whatever_raises_the_robot_is_stopped_and_what_was_kept_stays(tmp_path, error):
    cell = make_people_cell("expert")
    steps, step = [], cell.env.step

    def fail_later(action):
        steps.append(1)
        if len(steps) == 6:  # in the second episode
            raise error
        return step(action)

    cell.env.step = fail_later
    with pytest.raises(type(error)):
        record(cell, tmp_path, 3)
    assert repr(error) in cell.arm.state().stop.detail
    assert [(r.episode, r.step) for r in stored(tmp_path)] == [(0, s) for s in range(5)]
    record(make_people_cell("expert"), tmp_path, 1)
    assert len(stored(tmp_path)) == 10


def test_a_recording_that_ends_well_stops_the_robot_too(tmp_path):
    cell = make_people_cell("expert")
    record(cell, tmp_path, 1)
    assert cell.arm.state().stop.reason is Reason.REQUESTED
    assert cell.arm.state().stop.detail == "the recording has ended"


def test_each_episode_is_on_the_disk_before_the_next_begins(tmp_path):
    lengths = []
    record(
        make_people_cell("expert"),
        tmp_path,
        2,
        on_episode=lambda kept, is_success: lengths.append(len(StoreReader(tmp_path))) or True,
    )
    assert lengths == [5, 10]


def test_an_episode_longer_than_the_queue_of_the_disk_is_kept(tmp_path):
    success = frozenset({Button.SUCCESS})
    cell = make_cell([Act(70.0, 71.0, buttons=success)], step_limit=1000, teleop_rate_hz=10.0)
    assert record(cell, tmp_path, 1) == 1
    assert len(stored(tmp_path)) == 702  # 70 s at 10 Hz, the step of the button, and the first time step


def test_a_recording_of_another_environment_is_not_continued(tmp_path):
    record(make_people_cell("expert"), tmp_path, 1)
    cell = make_cell([FINISH], has_gripper=True)
    with pytest.raises(StoreError, match="another environment"):
        record(cell, tmp_path, 1)
    assert len(stored(tmp_path)) == 5


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        record(make_people_cell("expert"), tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_recording_that_is_being_written_is_not_touched(tmp_path):
    cell = make_people_cell("expert")
    with StoreWriter(tmp_path, cell.env.spec, {}), pytest.raises(StoreError, match="being written"):
        record(cell, tmp_path, 1)
