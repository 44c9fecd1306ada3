"""robomimic's HDF5 as it lies on disk, and files that others could have written."""

import json

import h5py
import numpy as np
import pytest

from robot_rl.data.exchange import robomimic
from robot_rl.errors import ExchangeError
from robot_rl.types import Source
from tests.data.exchange.samples import make_episode, make_episodes


def test_the_file_has_the_documented_structure(tmp_path):
    episodes = make_episodes()
    robomimic.export_episodes(episodes, tmp_path / "set.hdf5", rate_hz=10.0, task="PegInsertion")
    with h5py.File(tmp_path / "set.hdf5") as file:
        data = file["data"]
        assert data.attrs["total"] == 13
        environment = json.loads(data.attrs["env_args"])
        assert (environment["env_name"], environment["env_type"]) == ("PegInsertion", 2)
        assert isinstance(environment["env_kwargs"], dict)
        assert sorted(data) == ["demo_0", "demo_1", "demo_2", "demo_3"]
        assert [data[f"demo_{k}"].attrs["num_samples"] for k in range(4)] == [5, 1, 3, 4]
        demo, episode = data["demo_0"], episodes[0]
        assert demo["actions"].shape == (5, 6)
        assert demo["rewards"].shape == (5,)
        assert demo["states"].shape == (5, 0)
        assert demo["dones"][()].tolist() == [0, 0, 0, 0, 1]
        assert data["demo_2/dones"][()].tolist() == [0, 0, 0]
        assert set(demo["obs"]) == set(demo["next_obs"]) == {"tcp_pose", "width.raw", "arm", "wrist", "front"}
        assert demo["obs/wrist"].dtype == np.uint8
        assert np.array_equal(demo["obs/wrist"], episode.images["wrist"][:5])
        assert np.array_equal(demo["next_obs/wrist"], episode.images["wrist"][1:])
        assert np.array_equal(demo["obs/tcp_pose"], episode.proprio["tcp_pose"][:5])
        assert np.array_equal(demo["next_obs/tcp_pose"], episode.proprio["tcp_pose"][1:])


def test_more_than_ten_episodes_keep_their_order(tmp_path):
    episodes = [make_episode(k, 1, images={}) for k in range(12)]
    robomimic.export_episodes(episodes, tmp_path / "set.hdf5", rate_hz=10.0, task="x")
    for before, after in zip(episodes, robomimic.import_episodes(tmp_path / "set.hdf5"), strict=True):
        assert np.array_equal(before.actions, after.actions)


def write_foreign(path, drop=(), env_args=None, **changes):
    """A demonstration of three steps as robosuite's are: float64, the numbers of the state, the actions."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        if env_args is not None:
            data.attrs["env_args"] = json.dumps(env_args)
        data.attrs["total"] = 3
        demo = data.create_group("demo_7")
        demo.attrs["num_samples"] = 3
        contents = {
            "actions": np.arange(6.0).reshape(3, 2) / 10,
            "states": np.zeros((3, 9)),
            "rewards": np.array([0.0, 0.0, 1.0]),
            "dones": np.array([0, 0, 1]),
            "obs/eef_pos": np.arange(9.0).reshape(3, 3),
            "obs/agentview_image": np.full((3, 2, 2, 3), [[[[1]]], [[[2]]], [[[3]]]], np.uint8),
            "next_obs/eef_pos": np.arange(3.0, 12.0).reshape(3, 3),
            "next_obs/agentview_image": np.full((3, 2, 2, 3), [[[[2]]], [[[3]]], [[[4]]]], np.uint8),
        } | changes
        for name, values in contents.items():
            if not name.startswith(tuple(drop)):
                demo[name] = values
        file.create_group("mask")["train"] = np.array(["demo_7"], dtype="S8")
    return path


def test_a_file_by_others_becomes_a_demonstration(tmp_path):
    path = write_foreign(tmp_path / "a.hdf5", env_args={"env_name": "Lift", "env_type": 1, "env_kwargs": {}})
    (episode,) = robomimic.import_episodes(path)
    assert episode.actions.dtype == np.float32
    assert episode.actions.tolist() == np.float32([[0, 0.1], [0.2, 0.3], [0.4, 0.5]]).tolist()
    assert episode.proprio["eef_pos"].dtype == np.float32
    assert episode.proprio["eef_pos"].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert episode.images["agentview_image"][:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert episode.rewards.tolist() == [0, 0, 1]
    assert episode.sources.tolist() == [Source.DEMO] * 3
    assert episode.policy_versions.tolist() == [-1] * 3
    assert episode.stamps_ns.tolist() == [0, 50_000_000, 100_000_000, 150_000_000]
    assert (episode.is_terminal, episode.is_success, episode.is_complete) == (True, True, True)
    assert episode.base_actions is None


def test_the_rate_is_that_of_the_environment(tmp_path):
    path = write_foreign(tmp_path / "a.hdf5", env_args={"env_kwargs": {"control_freq": 4}})
    (episode,) = robomimic.import_episodes(path)
    assert episode.stamps_ns.tolist() == [0, 250_000_000, 500_000_000, 750_000_000]


def test_without_next_observations_the_last_one_is_repeated(tmp_path):
    (episode,) = robomimic.import_episodes(write_foreign(tmp_path / "a.hdf5", drop=["next_obs"]))
    assert episode.proprio["eef_pos"].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [6, 7, 8]]
    assert episode.images["agentview_image"][:, 0, 0, 0].tolist() == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("changes", "is_terminal", "is_success"),
    [
        ({"rewards": np.zeros(3)}, True, None),
        ({"dones": np.zeros(3, int)}, False, None),
        ({"drop": ["rewards"]}, True, None),
        ({"drop": ["dones"]}, False, None),
    ],
)
def test_an_ending_is_what_the_file_says(tmp_path, changes, is_terminal, is_success):
    (episode,) = robomimic.import_episodes(write_foreign(tmp_path / "a.hdf5", **changes))
    assert (episode.is_terminal, episode.is_success) == (is_terminal, is_success)
    assert len(episode.rewards) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": ["actions"]}, r"a\.hdf5: data/demo_7 lacks actions: expected numbers of shape"),
        ({"drop": ["obs"]}, "data/demo_7 lacks the group obs"),
        ({"obs/eef_pos": np.zeros((4, 3))}, "data/demo_7/obs/eef_pos must have 3 rows, one per action"),
        ({"obs/depth": np.zeros((3, 2, 2, 1))}, "obs/depth must be RGB pictures"),
        ({"obs/agentview_image": np.full((3, 2, 2, 3), 0.5)}, "agentview_image must hold whole numbers from 0 to 255"),
        ({"obs/word": np.array([b"a", b"b", b"c"])}, "obs/word must be numbers"),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path, changes, message):
    with pytest.raises(ExchangeError, match=message):
        next(robomimic.import_episodes(write_foreign(tmp_path / "a.hdf5", **changes)))


def test_a_file_of_something_else_is_an_error(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["x"] = 1
    with pytest.raises(ExchangeError, match=r"a\.hdf5 lacks the group data"):
        next(robomimic.import_episodes(tmp_path / "a.hdf5"))
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file.create_group("data")
    with pytest.raises(ExchangeError, match="data lacks demonstrations: expected groups demo_0"):
        next(robomimic.import_episodes(tmp_path / "b.hdf5"))
