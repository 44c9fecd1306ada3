"""diffusion_policy's zarr as it lies on disk, and groups that others could have written, byte by byte."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from robot_rl.data.exchange import diffusion_policy, growing_array
from robot_rl.errors import ExchangeError
from robot_rl.types import Source
from tests.data.exchange.samples import assert_same_episode, make_episode, make_episodes


def export(episodes, path):
    diffusion_policy.export_episodes(episodes, path, rate_hz=10.0, task="insert the peg")
    return path


def read_json(path):
    return json.loads(path.read_text())


def test_the_folder_is_a_replay_buffer_in_zarr_format_2(tmp_path):
    path = export(make_episodes(), tmp_path / "set.zarr")
    for group in (path, path / "data", path / "meta"):
        assert read_json(group / ".zgroup") == {"zarr_format": 2}
    assert not list(path.rglob("zarr.json"))
    arrays = {folder.parent.name: read_json(folder) for folder in path.glob("data/*/.zarray")}
    assert {name: array["shape"][0] for name, array in arrays.items()} == dict.fromkeys(arrays, 13)
    assert {array["zarr_format"] for array in arrays.values()} == {2}
    assert arrays["action"]["shape"] == [13, 6]
    assert arrays["action"]["dtype"] == "<f4"
    assert arrays["tcp_pose"]["shape"] == [13, 7]
    assert arrays["wrist"]["shape"] == [13, 12, 16, 3]
    assert arrays["wrist"]["dtype"] == "|u1"
    assert arrays["wrist"]["chunks"][1:] == [12, 16, 3]
    assert arrays["wrist"]["compressor"]["id"] == "blosc"
    ends = read_json(path / "meta/episode_ends/.zarray")
    assert (ends["dtype"], ends["shape"], ends["compressor"], ends["filters"]) == ("<i8", [4], None, None)
    assert np.frombuffer((path / "meta/episode_ends/0").read_bytes(), np.int64).tolist() == [5, 6, 9, 13]
    # its reader loads everything in meta as an array
    assert {p.name for p in (path / "meta").iterdir() if p.is_dir()} == {
        p.parent.name for p in path.glob("meta/*/.zarray")
    }


def test_chunks_that_fill_up_between_episodes_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(growing_array, "CHUNK_ROWS", 4)
    episodes = [*make_episodes(), make_episode(8, 9)]
    path = export(episodes, tmp_path / "set.zarr")
    assert read_json(path / "data/wrist/.zarray")["chunks"] == [4, 12, 16, 3]
    for before, after in zip(episodes, diffusion_policy.import_episodes(path), strict=True):
        assert_same_episode(before, after)


def test_chunks_are_about_two_megabytes(tmp_path):
    episode = make_episode(length=2, images={"wrist": np.zeros((3, 128, 128, 3), np.uint8)})
    path = export([episode], tmp_path / "set.zarr")
    assert read_json(path / "data/wrist/.zarray")["chunks"] == [40, 128, 128, 3]  # 2e6 / 49152


def test_a_reserved_name_is_an_error(tmp_path):
    episode = make_episode(proprio={"reward": np.zeros((6, 1), np.float32)})
    with pytest.raises(ExchangeError, match="no observation may be named reward"):
        export([episode], tmp_path / "set.zarr")


def test_a_group_that_lost_some_of_what_it_announces_is_an_error(tmp_path):
    path = export(make_episodes(), tmp_path / "set.zarr")
    shutil.rmtree(path / "meta/final_wrist")
    with pytest.raises(ExchangeError, match="episode 0 lacks final_wrist"):
        next(diffusion_policy.import_episodes(path))


# ------------------------------------------------------------------------------------ written by others


def write_array(path, values, **changes):
    """One uncompressed chunk: `.zarray` and the bytes."""
    path.mkdir(parents=True)
    described = {
        "zarr_format": 2,
        "shape": values.shape,
        "chunks": values.shape,
        "dtype": values.dtype.str,
        "compressor": None,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    (path / ".zarray").write_text(json.dumps(described | changes))
    (path / ".".join("0" * values.ndim)).write_bytes(values.tobytes())


def write_foreign(path, drop=(), **changes):
    arrays = {
        "meta/episode_ends": np.array([3, 5]),
        "data/action": np.arange(10, dtype=np.float32).reshape(5, 2),
        "data/img": np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1) * np.ones((1, 2, 2, 3), np.float32),
        "data/keypoint": np.arange(20, dtype=np.float64).reshape(5, 2, 2),
        "data/n_contacts": np.arange(5, dtype=np.int32),
    } | {name.replace("__", "/"): values for name, values in changes.items()}
    path.mkdir(parents=True)
    for folder in (path, *(path / name for name in ("data", "meta") if name not in drop)):
        folder.mkdir(exist_ok=True)
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
    for name, values in arrays.items():
        if name not in drop and name.split("/")[0] not in drop:
            write_array(path / name, values)
    return path


def assert_demonstrations(episodes):
    first, second = episodes
    assert first.actions.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert second.actions.tolist() == [[6, 7], [8, 9]]
    assert sorted(first.proprio) == ["keypoint", "n_contacts"]
    assert first.proprio["keypoint"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11]]
    assert first.proprio["keypoint"].dtype == np.float32
    assert second.proprio["n_contacts"].tolist() == [[3], [4], [4]]
    assert second.images["img"].dtype == np.uint8
    assert second.images["img"].shape == (3, 2, 2, 3)
    assert second.images["img"][:, 0, 0, 0].tolist() == [3, 4, 4]
    assert first.stamps_ns.tolist() == [0, 100_000_000, 200_000_000, 300_000_000]
    assert second.stamps_ns.tolist() == [0, 100_000_000, 200_000_000]
    assert first.rewards.tolist() == [0, 0, 0]
    assert second.sources.tolist() == [Source.DEMO] * 2
    assert second.policy_versions.tolist() == [-1] * 2
    assert (first.is_terminal, first.is_success, first.is_complete) == (False, None, True)
    assert first.base_actions is None


def test_a_folder_by_others_becomes_demonstrations(tmp_path):
    assert_demonstrations(list(diffusion_policy.import_episodes(write_foreign(tmp_path / "a.zarr"))))


def test_a_zip_file_by_others_becomes_demonstrations(tmp_path):
    folder = write_foreign(tmp_path / "a.zarr")
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    assert_demonstrations(list(diffusion_policy.import_episodes(tmp_path / "a.zarr.zip")))


def test_times_and_rewards_are_taken_where_they_are(tmp_path):
    times = np.array([100.0, 100.25, 100.5, 7.0, 7.25])
    path = write_foreign(tmp_path / "a.zarr", data__timestamp=times, data__reward=np.array([0.0, 0, 1, 0, 2]))
    first, second = diffusion_policy.import_episodes(path)
    assert first.stamps_ns.tolist() == [100_000_000_000, 100_250_000_000, 100_500_000_000, 100_600_000_000]
    assert second.rewards.tolist() == [0, 2]
    assert not second.is_success
    assert sorted(first.proprio) == ["keypoint", "n_contacts"]


def test_rows_behind_the_last_episode_are_left_out(tmp_path):
    path = write_foreign(tmp_path / "a.zarr", meta__episode_ends=np.array([2]))
    (episode,) = diffusion_policy.import_episodes(path)
    assert len(episode) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": ["data/action"]}, r"a\.zarr: data lacks action: expected actions of shape"),
        ({"drop": ["meta/episode_ends"]}, r"a\.zarr: meta lacks episode_ends"),
        ({"drop": ["meta"]}, r"a\.zarr lacks the group meta"),
        ({"meta__episode_ends": np.array([3, 3])}, "episode_ends must rise from above 0, got 3, 3"),
        ({"meta__episode_ends": np.array([3, 9])}, "data/action must have 9 rows"),
        ({"data__depth": np.zeros((5, 2, 2, 1), np.float32)}, "data/depth must be RGB pictures"),
        ({"data__view": np.full((5, 2, 2, 3), 0.5)}, "data/view must hold whole numbers from 0 to 255"),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path, changes, message):
    with pytest.raises(ExchangeError, match=message):
        next(diffusion_policy.import_episodes(write_foreign(tmp_path / "a.zarr", **changes)))


def test_a_compression_that_is_not_known_is_named(tmp_path):
    path = write_foreign(tmp_path / "a.zarr", drop=["data/img"])
    write_array(path / "data/img", np.zeros((5, 2, 2, 3), np.uint8), compressor={"id": "imagecodecs_jpegxl"})
    with pytest.raises(ExchangeError, match=r"an array of data is stored in a way unknown here: .*imagecodecs_jpegxl"):
        next(diffusion_policy.import_episodes(path))
