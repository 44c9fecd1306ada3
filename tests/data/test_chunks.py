"""Windows of episodes by hand, grippers whose commands are held, and recordings that nothing can be learned from."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.data.chunks import gather_rows
from robot_rl.errors import ExchangeError
from tests.data.exchange.samples import make_episode as make_sample


def make_episode(number, length, size=2):
    """Every value says which episode and which step it is from: 1000 * episode + step."""
    values = 1000.0 * number + np.arange(length + 1, dtype=np.float32)
    return replace(
        make_sample(number, length),
        proprio={"pose": np.stack([values, values + 0.5], axis=1), "width": values[:, None] + 0.25},
        images={
            "wrist": np.broadcast_to(np.arange(length + 1, dtype=np.uint8)[:, None, None, None], (length + 1, 4, 4, 3))
        },
        actions=np.repeat(values[:-1, None], size, axis=1),
    )


def gather_whole(episodes, *words, **more):
    """The rows of episodes that no pause has divided."""
    return gather_rows(((episode,) for episode in episodes), *words, **more)


def gather(*lengths, **more):
    return gather_whole([make_episode(number, length) for number, length in enumerate(lengths)], ["pose"], **more)


def gripping(*commands, held=(1,)):
    """What becomes of the commands of a gripper that is the second of two actions."""
    actions = np.stack([np.full(len(commands), 0.3), commands], axis=1).astype(np.float32)
    episode = replace(make_episode(0, len(commands)), actions=actions)
    return gather_whole([episode], ["pose"], held=held).actions


# ------------------------------------------------------------------------------------ windows


def test_rows_are_the_control_steps_without_the_last_observation():
    rows = gather_whole([make_episode(0, 3), make_episode(1, 2)], ["width", "pose"], ["wrist"])
    assert rows.proprio.tolist() == [[k + 0.25, k, k + 0.5] for k in (0, 1, 2, 1000, 1001)]
    assert rows.actions[:, 0].tolist() == [0, 1, 2, 1000, 1001]
    assert rows.images["wrist"][:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1]
    assert rows.starts.tolist() == [0, 3, 5]
    assert (len(rows), rows.episodes) == (5, 2)
    assert rows.actions.dtype == rows.proprio.dtype == np.float32


def test_an_episode_that_a_pause_has_divided_is_one_in_all_its_parts():
    rows = gather_rows([(make_episode(0, 3), make_episode(1, 2)), (make_episode(2, 2),)], ["width"])
    assert (rows.starts.tolist(), rows.owners.tolist(), rows.episodes) == ([0, 3, 5, 7], [0, 0, 1], 2)
    assert rows.select([0]).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ExchangeError, match="episode 1 has 1 control steps"):
        gather_rows([(make_episode(0, 3), make_episode(1, 2)), (make_episode(2, 1),)], ["width"])


def test_a_part_that_is_not_asked_for_is_not_kept():
    rows = gather_whole([make_episode(0, 3)], ["width"])
    assert rows.proprio.shape == (3, 1)
    assert rows.images == {}


def test_the_images_of_one_camera_at_a_time_are_in_memory_twice():
    cameras = ("wrist", "front", "side", "top")

    def draw():
        for number in range(4):
            images = {name: np.full((6, 64, 64, 3), number, np.uint8) for name in cameras}
            yield replace(make_episode(number, 5), images=images)

    tracemalloc.start()
    rows = gather_whole(draw(), ["pose"], cameras)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    kept_bytes = sum(pictures.nbytes for pictures in rows.images.values())
    assert list(rows.images) == list(cameras)
    assert kept_bytes == 4 * 20 * 64 * 64 * 3
    assert peak_bytes < 1.7 * kept_bytes  # each episode also has a last image that is not kept


def test_the_first_observation_is_repeated_at_the_beginning_of_an_episode():
    rows = gather(4, 3)
    seen = rows.observation_rows(np.array([0, 1, 3, 4, 6]), 3)
    assert seen.tolist() == [[0, 0, 0], [0, 0, 1], [1, 2, 3], [4, 4, 4], [4, 5, 6]]
    assert rows.observation_rows(np.array([2, 5]), 1).tolist() == [[2], [5]]


def test_the_first_action_is_repeated_at_the_beginning_and_the_last_at_the_end():
    rows = gather(4, 3)
    assert rows.chunk_rows(np.array([0, 1, 3]), 4, 1).tolist() == [[0, 0, 1, 2], [0, 1, 2, 3], [2, 3, 3, 3]]
    assert rows.chunk_rows(np.array([4, 6]), 4, 2).tolist() == [[4, 4, 4, 5], [4, 5, 6, 6]]
    assert rows.chunk_rows(np.array([0, 4]), 3, 0).tolist() == [[0, 1, 2], [4, 5, 6]]


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(2, 9), min_size=1, max_size=6),
    steps=st.integers(1, 12),
    horizon=st.integers(1, 12),
    data=st.data(),
)
def test_no_window_reaches_into_a_neighbouring_episode(lengths, steps, horizon, data):
    past = data.draw(st.integers(0, horizon - 1))
    rows = gather(*lengths)
    every = np.arange(len(rows))
    seen, chunk = rows.observation_rows(every, steps), rows.chunk_rows(every, horizon, past)
    assert (seen.shape, chunk.shape) == ((len(rows), steps), (len(rows), horizon))
    places = [(number, step) for number, length in enumerate(lengths) for step in range(length)]
    for row, (number, step) in enumerate(places):
        last = lengths[number] - 1
        observed = [1000 * number + max(step - ago, 0) for ago in reversed(range(steps))]
        acted = [1000 * number + min(max(step + ahead, 0), last) for ahead in range(-past, horizon - past)]
        assert rows.proprio[seen[row], 0].tolist() == observed
        assert rows.actions[chunk[row], 0].tolist() == acted


@settings(max_examples=40)
@given(lengths=st.lists(st.integers(2, 5), min_size=1, max_size=5), data=st.data())
def test_the_rows_of_chosen_episodes_are_theirs_alone(lengths, data):
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), unique=True))
    rows = gather(*lengths)
    expected = [1000 * number + step for number in chosen for step in range(lengths[number])]
    assert rows.actions[rows.select(chosen), 0].tolist() == expected


def test_episodes_are_drawn_one_at_a_time():
    drawn = []

    def draw():
        for number in range(3):
            drawn.append(number)
            yield make_episode(number, 2 if number != 1 else 1)

    with pytest.raises(ExchangeError, match="episode 1 has 1 control steps"):
        gather_whole(draw(), ["pose"])
    assert drawn == [0, 1]


# ------------------------------------------------------------------------------------ grippers


def test_a_gripper_holds_the_newest_command_and_is_open_at_first():
    held = gripping(0, 0, -1, 0, 0, 1, 0, -1, -1, 0)
    assert held[:, 1].tolist() == [1, 1, -1, -1, -1, 1, 1, -1, -1, -1]
    assert held[:, 0] == pytest.approx(0.3), "the others are left alone"


@pytest.mark.parametrize(("opening", "at_start"), [(1.0, 1), (0.95, 1), (0.5, -1), (0.0, -1)])
def test_before_the_first_command_a_gripper_does_what_it_does_already(opening, at_start):
    """So it is after a pause, and where the part is in the gripper from the start."""
    episode = make_episode(0, 3)
    episode = replace(
        episode,
        proprio={**episode.proprio, "gripper": np.full((4, 1), opening, np.float32)},
        actions=np.array([[0.3, 0.0], [0.3, 0.0], [0.3, 1.0]], np.float32),
    )
    assert gather_whole([episode], ["pose"], held=(1,)).actions[:, 1].tolist() == [at_start, at_start, 1]


def test_a_command_of_half_or_less_is_none():
    assert gripping(-0.7, 0.5, -0.5, 0.51, 0.2)[:, 1].tolist() == [-1, -1, -1, 1, 1]


def test_what_is_not_held_keeps_its_three_values():
    assert gripping(0, -1, 0, 1, held=())[:, 1].tolist() == [0, -1, 0, 1]


def test_a_gripper_forgets_at_the_end_of_an_episode():
    episodes = [replace(make_episode(0, 2), actions=np.array([[0, -1], [0, 0]], np.float32)) for _ in range(2)]
    episodes[1].actions[0, 1] = 0.0
    assert gather_whole(episodes, ["pose"], held=[1]).actions[:, 1].tolist() == [-1, -1, 1, 1]


def test_the_recording_itself_is_not_changed():
    episode = make_episode(0, 3)
    before = episode.actions.copy()
    gather_whole([episode], ["pose"], held=[0, 1]).actions[:] = 7.0
    assert np.array_equal(episode.actions, before)


# ------------------------------------------------------------------------------------ what cannot be learned from


def test_no_episode_is_an_error():
    with pytest.raises(ExchangeError, match="there is no episode to learn from"):
        gather_whole([], ["pose"])


def test_an_episode_of_one_step_is_named():
    with pytest.raises(ExchangeError, match=r"data: episode 1 has 1 control steps; .* at least 2"):
        gather(3, 1)


def test_a_missing_part_and_a_missing_camera_are_named_with_those_that_are_there():
    episode = make_episode(0, 3)
    with pytest.raises(ExchangeError, match=r"episode 0 lacks proprio 'wrench'; it has: pose, width\."):
        gather_whole([episode], ["pose", "wrench"])
    with pytest.raises(ExchangeError, match=r"episode 1 lacks images 'front'; it has: none\."):
        gather_whole(
            [replace(episode, images={"front": episode.images["wrist"]}), replace(episode, images={})],
            ["pose"],
            ["front"],
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("field", "step", "element", "name"),
    [("actions", 2, 1, "actions"), ("pose", 1, 1, "proprio 'pose'"), ("pose", 4, 0, "proprio 'pose'")],
)
def test_a_number_that_is_not_finite_is_found(bad, field, step, element, name):
    episode = make_episode(1, 4)
    (episode.actions if field == "actions" else episode.proprio[field])[step, element] = bad
    with pytest.raises(ExchangeError, match=rf"data: episode 1: {name} is {bad} at step {step}, element {element}\."):
        gather_whole([make_episode(0, 3), episode], ["width", "pose"])


def test_a_part_that_is_not_looked_at_may_hold_anything():
    episode = make_episode(0, 4)
    episode.proprio["width"][:] = np.nan
    assert np.isfinite(gather_whole([episode], ["pose"]).proprio).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actions": np.zeros((3, 3), np.float32)}, r"episode 1: actions has shape \(3,\) .* episode 0 has \(2,\)"),
        ({"proprio": {"pose": np.zeros((4, 5), np.float32)}}, r"episode 1: proprio 'pose' has shape \(5,\)"),
        ({"images": {"wrist": np.zeros((4, 8, 8, 3), np.uint8)}}, r"episode 1: images 'wrist' has shape \(8, 8, 3\)"),
    ],
)
def test_an_episode_of_another_shape_than_the_first_is_named(change, message):
    with pytest.raises(ExchangeError, match=message):
        gather_whole([make_episode(0, 3), replace(make_episode(1, 3), **change)], ["pose"], ["wrist"])


def test_an_observation_without_any_part_is_refused():
    with pytest.raises(ExchangeError, match="no proprioception"):
        gather_whole([make_episode(0, 3)], [])
