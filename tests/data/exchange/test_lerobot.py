"""LeRobotDataset v3.0 as it lies on disk, and data sets that others could have written."""

import json
from dataclasses import replace

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robot_rl.data.exchange import lerobot, lerobot_writer
from robot_rl.errors import ExchangeError
from robot_rl.types import Source
from tests.data.exchange.samples import assert_same_episode, make_episode, make_episodes


def export(episodes, path, rate_hz=10.0):
    lerobot.export_episodes(episodes, path, rate_hz=rate_hz, task="insert the peg")
    return path


def column(path, name):
    return pq.read_table(path / "data/chunk-000/file-000.parquet")[name]


def test_the_description_is_that_of_version_3(tmp_path):
    path = export(make_episodes(), tmp_path / "set")
    description = json.loads((path / "meta/info.json").read_text())
    features = description.pop("features")
    assert description == {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": 4,
        "total_frames": 13,
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": 10,
        "splits": {"train": "0:4"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
    }
    assert isinstance(description["fps"], int)
    names = [f"tcp_pose.{k}" for k in range(7)] + ["width.raw.0"] + [f"arm.{k}" for k in range(3)]
    assert features["observation.state"] == {"dtype": "float32", "shape": [11], "names": names}
    assert features["observation.images.front"]["dtype"] == "image"
    assert features["observation.images.wrist"]["shape"] == [12, 16, 3]
    assert features["action"]["shape"] == [6]
    for name in ("frame_index", "episode_index", "index", "task_index"):
        assert features[name] == {"dtype": "int64", "shape": [1], "names": None}
    assert features["timestamp"] == {"dtype": "float32", "shape": [1], "names": None}


def test_a_rate_that_is_not_whole_is_kept(tmp_path):
    path = export([make_episode()], tmp_path / "set", rate_hz=12.5)
    assert json.loads((path / "meta/info.json").read_text())["fps"] == 12.5
    assert column(path, "timestamp").to_pylist() == pytest.approx([0.0, 0.08, 0.16, 0.24, 0.32])


def test_the_table_has_exactly_the_described_columns_in_their_types(tmp_path):
    path = export(make_episodes(), tmp_path / "set")
    schema = pq.read_schema(path / "data/chunk-000/file-000.parquet")
    assert schema.names == list(json.loads((path / "meta/info.json").read_text())["features"])
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert schema.field("observation.images.wrist").type == picture
    assert schema.field("observation.state").type == pa.list_(pa.float32(), 11)
    assert schema.field("action").type == pa.list_(pa.float32(), 6)
    assert schema.field("next.reward").type == pa.float32()
    assert schema.field("next.done").type == pa.bool_()
    assert schema.field("index").type == pa.int64()
    notes = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(notes) == schema.names
    assert notes["observation.images.wrist"] == {"_type": "Image"}
    assert notes["next.done"] == {"dtype": "bool", "_type": "Value"}


def test_the_rows_of_all_episodes_are_numbered_on(tmp_path):
    path = export(make_episodes(), tmp_path / "set")
    assert column(path, "index").to_pylist() == list(range(13))
    assert column(path, "episode_index").to_pylist() == [0] * 5 + [1] + [2] * 3 + [3] * 4
    assert column(path, "frame_index").to_pylist() == [0, 1, 2, 3, 4, 0, 0, 1, 2, 0, 1, 2, 3]
    assert column(path, "timestamp").to_pylist()[6:9] == pytest.approx([0.0, 0.1, 0.2])
    # a success, a failure, a truncation, and one that was cut off
    assert np.flatnonzero(column(path, "next.done")).tolist() == [4, 5, 8]
    assert np.flatnonzero(column(path, "next.truncated")).tolist() == [8]
    assert np.flatnonzero(column(path, "next.success")).tolist() == [4]
    assert pq.ParquetFile(path / "data/chunk-000/file-000.parquet").num_row_groups == 4


def test_pictures_are_png_in_rgb(tmp_path):
    episode = make_episode()
    path = export([episode], tmp_path / "set")
    first = column(path, "observation.images.wrist")[0].as_py()
    assert first["bytes"][:8] == b"\x89PNG\r\n\x1a\n"
    bgr = cv2.imdecode(np.frombuffer(first["bytes"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(bgr[:, :, ::-1], episode.images["wrist"][0])


def test_the_episodes_are_described_with_their_place(tmp_path):
    path = export(make_episodes(), tmp_path / "set")
    table = pq.read_table(path / "meta/episodes/chunk-000/file-000.parquet")
    assert table["episode_index"].to_pylist() == [0, 1, 2, 3]
    assert table["length"].to_pylist() == [5, 1, 3, 4]
    assert table["tasks"].to_pylist() == [["insert the peg"]] * 4
    assert table["dataset_from_index"].to_pylist() == [0, 5, 6, 9]
    assert table["dataset_to_index"].to_pylist() == [5, 6, 9, 13]
    for name in ("data/chunk_index", "data/file_index", "meta/episodes/chunk_index", "meta/episodes/file_index"):
        assert table[name].to_pylist() == [0] * 4


def test_the_task_is_the_index_of_its_table(tmp_path):
    table = pq.read_table(export(make_episodes(), tmp_path / "set") / "meta/tasks.parquet")
    assert table.to_pydict() == {"task_index": [0], "task": ["insert the peg"]}
    assert json.loads(table.schema.metadata[b"pandas"])["index_columns"] == ["task"]


def test_statistics_by_hand(tmp_path):
    rewards = np.array([0.0, 1.0, 2.0, 5.0], np.float32)
    pictures = np.zeros((5, 1, 2, 3), np.uint8)
    pictures[:4, :, 1, 0] = 255  # half of the red is full; the picture after the last action does not count
    pictures[4] = 77
    episode = make_episode(length=4, rewards=rewards, images={"wrist": pictures})
    path = export([episode, replace(episode, rewards=rewards + 4)], tmp_path / "set")
    stats = json.loads((path / "meta/stats.json").read_text())
    assert set(stats) == set(json.loads((path / "meta/info.json").read_text())["features"])
    reward = stats["next.reward"]  # 0 1 2 4 5 5 6 9
    assert (reward["min"], reward["max"], reward["mean"], reward["count"]) == ([0.0], [9.0], [4.0], [8])
    assert reward["std"] == pytest.approx([np.sqrt((16 + 9 + 4 + 0 + 1 + 1 + 4 + 25) / 8)])
    assert reward["q50"] == [4.5]
    red = stats["observation.images.wrist"]
    assert red["mean"] == [[[0.5]], [[0.0]], [[0.0]]]
    assert red["std"] == [[[0.5]], [[0.0]], [[0.0]]]
    assert (red["min"][0], red["max"], red["count"]) == ([[0.0]], [[[1.0]], [[0.0]], [[0.0]]], [8])
    assert (red["q10"][0], red["q99"][0]) == ([[0.0]], [[1.0]])
    row = pq.read_table(path / "meta/episodes/chunk-000/file-000.parquet").to_pylist()[1]
    assert row["stats/next.reward/mean"] == [6.0]
    assert row["stats/observation.images.wrist/mean"] == [[[0.5]], [[0.0]], [[0.0]]]


def test_a_full_file_is_followed_by_another_and_a_full_chunk_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(lerobot_writer, "FILE_MEGABYTES", 0)
    monkeypatch.setattr(lerobot_writer, "FILES_PER_CHUNK", 3)
    monkeypatch.setattr(lerobot_writer, "ROWS_PER_GROUP", 2)
    episodes = [*make_episodes(), make_episode(9, 2)]
    path = export(episodes, tmp_path / "set")
    files = sorted(str(file.relative_to(path / "data")) for file in path.glob("data/*/*"))
    chunks = [("000", range(3)), ("001", range(2))]
    assert files == [f"chunk-{chunk}/file-00{k}.parquet" for chunk, numbers in chunks for k in numbers]
    table = pq.read_table(path / "meta/episodes/chunk-000/file-000.parquet")
    assert table["data/chunk_index"].to_pylist() == [0, 0, 0, 1, 1]
    assert table["data/file_index"].to_pylist() == [0, 1, 2, 0, 1]
    for before, after in zip(episodes, lerobot.import_episodes(path), strict=True):
        assert_same_episode(before, after)


# ------------------------------------------------------------------------------------ written by others


def write_foreign(path, lengths=(3, 2), columns=None, features=None, episode_columns=None, **description):
    """The least that is a data set: nothing but what the layout asks for, as lists without a fixed size."""
    total = sum(lengths)
    rows = {
        "observation.state": [[float(k), k + 0.5] for k in range(total)],
        "action": [[k + 0.25] * 3 for k in range(total)],
        "timestamp": pa.array([k / 20 for n in lengths for k in range(n)], pa.float32()),
        "frame_index": [k for n in lengths for k in range(n)],
        "episode_index": [e for e, n in enumerate(lengths) for _ in range(n)],
        "index": list(range(total)),
        "task_index": [0] * total,
    } | (columns or {})
    dtypes = {"observation.state": ("float32", 2), "action": ("float32", 3), "timestamp": ("float32", 1)}
    names = {name: {"dtype": "int64", "shape": [1], "names": None} for name in rows}
    names |= {name: {"dtype": dtype, "shape": [size], "names": None} for name, (dtype, size) in dtypes.items()}
    content = {
        "codebase_version": "v3.0",
        "fps": 20,
        "features": {k: v for k, v in (names | (features or {})).items() if v is not None},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    } | description
    starts = np.concatenate([[0], np.cumsum(lengths)])
    episodes = {
        "episode_index": list(range(len(lengths))),
        "data/chunk_index": [0] * len(lengths),
        "data/file_index": [0] * len(lengths),
        "dataset_from_index": starts[:-1],
        "dataset_to_index": starts[1:],
        "length": list(lengths),
        "stats/action/min": [[0.0]] * len(lengths),
    } | (episode_columns or {})
    for folder in ("meta/episodes/chunk-000", "data/chunk-000"):
        (path / folder).mkdir(parents=True)
    (path / "meta/info.json").write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    table = {k: v for k, v in episodes.items() if v is not None}
    pq.write_table(pa.table(table), path / "meta/episodes/chunk-000/file-000.parquet")
    table = pa.table({k: v for k, v in rows.items() if v is not None})
    pq.write_table(table, path / "data/chunk-000/file-000.parquet")
    return path


def test_the_least_data_set_becomes_demonstrations(tmp_path):
    first, second = lerobot.import_episodes(write_foreign(tmp_path / "set"))
    assert first.proprio["state"].dtype == np.float32
    assert first.proprio["state"].tolist() == [[0, 0.5], [1, 1.5], [2, 2.5], [2, 2.5]]
    assert second.proprio["state"].tolist() == [[3, 3.5], [4, 4.5], [4, 4.5]]
    assert second.actions.tolist() == [[3.25] * 3, [4.25] * 3]
    assert first.stamps_ns == pytest.approx([0, 50_000_000, 100_000_000, 150_000_000], abs=10)
    assert first.stamps_ns.dtype == np.int64
    assert first.rewards.tolist() == [0, 0, 0]
    assert first.sources.tolist() == [Source.DEMO] * 3
    assert first.policy_versions.tolist() == [-1] * 3
    assert (first.is_terminal, first.is_success, first.is_complete) == (False, None, True)
    assert first.images == {}
    assert first.base_actions is None


def test_rows_are_put_in_the_order_of_their_frames(tmp_path):
    (episode,) = lerobot.import_episodes(write_foreign(tmp_path / "set", (3,), {"frame_index": [2, 0, 1]}))
    assert episode.actions[:, 0].tolist() == [1.25, 2.25, 0.25]


@pytest.mark.parametrize(
    ("columns", "is_terminal", "is_success"),
    [
        ({"next.reward": [0.0, 1.0], "next.done": [False, True]}, True, True),
        ({"next.reward": [1.0, 0.0], "next.done": [False, True]}, True, None),
        ({"next.reward": [0.0, 1.0], "next.done": [False, False]}, False, None),
        ({"next.reward": [0.0, 1.0], "next.done": [False, True], "next.truncated": [False, True]}, False, None),
        ({"next.reward": [0.0, 1.0], "next.done": [False, True], "next.success": [True, False]}, True, False),
        ({"next.success": [False, True]}, False, True),
    ],
)
def test_an_ending_is_what_the_columns_say(tmp_path, columns, is_terminal, is_success):
    (episode,) = lerobot.import_episodes(write_foreign(tmp_path / "set", (2,), columns))
    assert (episode.is_terminal, episode.is_success) == (is_terminal, is_success)
    assert episode.rewards.tolist() == columns.get("next.reward", [0.0, 0.0])


def test_entries_are_told_apart_by_the_names_of_the_elements(tmp_path):
    def entries(name, names, size=4):
        state = {"observation.state": [list(range(size))]}
        feature = {"observation.state": {"dtype": "float32", "shape": [size], "names": names}}
        (episode,) = lerobot.import_episodes(write_foreign(tmp_path / name, (1,), state, feature))
        return {key: values[0].tolist() for key, values in episode.proprio.items()}

    assert entries("a", ["pose.0", "pose.1", "grip.0", "x.y.0"]) == {"pose": [0, 1], "grip": [2], "x.y": [3]}
    assert entries("b", ["pan.pos", "lift.pos", "grip.pos", "yaw.pos"]) == {"state": [0, 1, 2, 3]}
    assert entries("c", ["pose.1", "pose.0", "grip.0", "x.0"]) == {"state": [0, 1, 2, 3]}
    assert entries("d", {"motors": ["a", "b", "c", "d"]}) == {"state": [0, 1, 2, 3]}


def test_other_numbers_of_an_observation_become_entries(tmp_path):
    columns = {"observation.effort": pa.array([1.5, 2.5], pa.float64()), "observation.grid": [[[1, 2], [3, 4]]] * 2}
    features = {
        "observation.effort": {"dtype": "float64", "shape": [1], "names": None},
        "observation.grid": {"dtype": "int64", "shape": [2, 2], "names": None},
    }
    (episode,) = lerobot.import_episodes(write_foreign(tmp_path / "set", (2,), columns, features))
    assert episode.proprio["effort"].tolist() == [[1.5], [2.5], [2.5]]
    assert episode.proprio["grid"].tolist() == [[1, 2, 3, 4]] * 3
    assert episode.proprio["grid"].dtype == np.float32


def test_pictures_of_a_table_are_rgb(tmp_path):
    red = np.zeros((4, 5, 3), np.uint8)
    red[:, :, 0] = 200
    encoded = cv2.imencode(".png", red[:, :, ::-1])[1].tobytes()
    columns = {"observation.image": [{"bytes": encoded, "path": "frame-000000.png"}] * 2}
    features = {"observation.image": {"dtype": "image", "shape": [3, 4, 5], "names": ["c", "h", "w"]}}
    (episode,) = lerobot.import_episodes(write_foreign(tmp_path / "set", (2,), columns, features))
    assert episode.images["image"].shape == (3, 4, 5, 3)
    assert np.array_equal(episode.images["image"], np.stack([red] * 3))


def write_video(path, levels, rate_hz=20):
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate_hz)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 4_000_000
        for level in levels:
            picture = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


VIDEO = {"observation.images.top": {"dtype": "video", "shape": [48, 64, 3], "names": None}}
VIDEO_PLACE = {
    "videos/observation.images.top/chunk_index": [0, 0],
    "videos/observation.images.top/file_index": [0, 0],
    "videos/observation.images.top/from_timestamp": [0.0, 0.15],
    "videos/observation.images.top/to_timestamp": [0.15, 0.25],
}


def test_pictures_of_a_video_are_those_at_the_times_of_the_episode(tmp_path):
    path = write_foreign(tmp_path / "set", features=VIDEO, episode_columns=VIDEO_PLACE)
    write_video(path / "videos/observation.images.top/chunk-000/file-000.mp4", [0, 50, 100, 150, 200])
    first, second = lerobot.import_episodes(path)
    assert first.images["top"].shape == (4, 48, 64, 3)
    assert np.abs(first.images["top"].mean((1, 2, 3)) - [0, 50, 100, 100]).max() < 6
    assert np.abs(second.images["top"].mean((1, 2, 3)) - [150, 200, 200]).max() < 6


def test_a_video_that_is_too_short_is_an_error(tmp_path):
    path = write_foreign(tmp_path / "set", features=VIDEO, episode_columns=VIDEO_PLACE)
    write_video(path / "videos/observation.images.top/chunk-000/file-000.mp4", [0, 50, 100])
    reader = lerobot.import_episodes(path)
    next(reader)
    with pytest.raises(ExchangeError, match=r"file-000\.mp4 must have a frame within 0\.025 s of each of 2 times"):
        next(reader)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebase_version": "v2.1"}, r"info\.json: codebase_version must be v3\.0, got v2\.1"),
        ({"fps": None}, r"info\.json lacks fps: expected frames per second"),
        ({"features": {"action": None}}, r"info\.json lacks the feature action"),
        ({"columns": {"action": None}, "features": {"action": VIDEO["observation.images.top"] | {"dtype": "float32"}}},
         r"file-000\.parquet lacks the column action: expected float32"),
        ({"columns": {"action": [[1.0], [1.0, 2.0], [0.0], [0.0], [0.0]]}}, "column action must have as many elements"),
        ({"columns": {"action": [[1.0], None, [0.0], [0.0], [0.0]]}}, "column action must have"),
        ({"episode_columns": {"data/file_index": None}}, "lacks the column data/file_index"),
        ({"episode_columns": {"data/file_index": [7, 7]}}, r"lacks data/chunk-000/file-007\.parquet"),
        ({"episode_columns": {"episode_index": [5, 6]}}, "episode 5 lacks rows"),
        ({"features": VIDEO}, r"observation\.images\.top of episode 0 lacks its place"),
        ({"features": VIDEO, "episode_columns": VIDEO_PLACE}, r"file-000\.mp4 cannot be read as a video"),
        ({"features": {"observation.images.depth": {"dtype": "video", "shape": [48, 64, 1]}}}, "must be RGB pictures"),
        (
            {
                "columns": {"observation.image": [{"bytes": b"no picture", "path": ""}] * 5},
                "features": {"observation.image": {"dtype": "image", "shape": [4, 4, 3]}},
            },
            r"observation\.image of episode 0 must hold the bytes of a picture",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_named(tmp_path, changes, message):
    with pytest.raises(ExchangeError, match=message):
        next(lerobot.import_episodes(write_foreign(tmp_path / "set", **changes)))


def test_what_is_left_of_our_columns_is_used(tmp_path):
    """A tool that edits data sets may rebuild `meta/episodes` from the columns that it knows."""
    episode = make_episode(is_terminal=False, is_success=False)
    path = export([episode], tmp_path / "set")
    file = path / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(file)
    pq.write_table(table.drop([name for name in table.column_names if name.startswith("robot_rl/")]), file)
    (after,) = lerobot.import_episodes(path)
    assert np.array_equal(after.sources, episode.sources)
    assert np.array_equal(after.policy_versions, episode.policy_versions)
    assert np.array_equal(after.rewards, episode.rewards)
    assert (after.is_terminal, after.is_success, after.is_complete) == (False, False, True)
    for before, values in (
        (episode.stamps_ns, after.stamps_ns),
        (episode.base_actions, after.base_actions),
        (episode.proprio["arm"], after.proprio["arm"]),
        (episode.images["front"], after.images["front"]),
    ):
        assert np.array_equal(before[:-1], values[:-1])
    assert after.stamps_ns[-1] == episode.stamps_ns[-2] + 100_000_000
    assert np.array_equal(after.base_actions[-1], episode.base_actions[-2])
    assert np.array_equal(after.images["front"][-1], episode.images["front"][-2])


def test_broken_files_are_named(tmp_path):
    path = write_foreign(tmp_path / "set")
    (path / "data/chunk-000/file-000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ExchangeError, match=r"data/chunk-000/file-000\.parquet cannot be read"):
        next(lerobot.import_episodes(path))
    (path / "meta/episodes/chunk-000/file-000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ExchangeError, match=r"meta/episodes/chunk-000/file-000\.parquet cannot be read"):
        next(lerobot.import_episodes(path))
    (path / "meta/info.json").write_text("[]")
    with pytest.raises(ExchangeError, match=r"info\.json cannot be read as JSON: a JSON object was expected, got list"):
        next(lerobot.import_episodes(path))
    (path / "meta/info.json").write_text("{")
    with pytest.raises(ExchangeError, match=r"info\.json cannot be read as JSON"):
        next(lerobot.import_episodes(path))
