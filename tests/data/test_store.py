"""A run on the disk: what is written is read back bit for bit, and what is wrong is said."""

import json
import os
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from robot_rl.data import store_writer
from robot_rl.data.episode import to_episode
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import SpecError, StoreError
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepRecord, StepType, TimeStep

SHAPES = {"wrist": (6, 8, 3), "side": (4, 4, 3)}
SPEC = EnvironmentSpec(
    ObservationSpec(
        {"pose": ArraySpec("pose", (3,), np.float32), "force": ArraySpec("force", (2,), np.float32, -20.0, 20.5)},
        {name: ArraySpec(f"image {name}", shape, np.uint8, 0, 255) for name, shape in SHAPES.items()},
    ),
    action_size=7,
    step_limit=100,
    rate_hz=10.0,
)
ATTRIBUTES = {"config": {"task": "peg", "seed": 3}, "git": "abc", "person": "ada"}


def make_record(episode, step, kind=None, base=False, discount=1.0, is_success=False):
    """Every value is random, but always the same for the same episode and step."""
    rng = np.random.default_rng([episode, step])
    observation = Observation(
        {"pose": rng.normal(size=3).astype(np.float32), "force": rng.normal(size=2).astype(np.float32)},
        {name: rng.integers(0, 256, shape, np.uint8) for name, shape in SHAPES.items()},
        int(rng.integers(2**62)),
        rng.normal(size=7).astype(np.float32) if base else None,
    )
    kind = kind if kind is not None else StepType.MID if step else StepType.FIRST
    action = rng.normal(size=7).astype(np.float32)
    source = Source(int(rng.integers(4)))
    time_step = TimeStep(kind, observation, float(rng.normal()), discount, action, source)
    return StepRecord(time_step, episode, step, int(rng.integers(-1, 2**40)), is_success)


def make_episode(episode, steps, **last):
    return [make_record(episode, k) for k in range(steps)] + [make_record(episode, steps, StepType.LAST, **last)]


def arrays_of(record):
    observation = record.time_step.observation
    named = {**observation.proprio, **observation.images, "action": record.time_step.applied_action}
    return named | ({} if observation.base_action is None else {"base_action": observation.base_action})


def scalars_of(record):
    step = record.time_step
    own = (record.episode, record.step, record.policy_version, record.is_success)
    return (*own, step.step_type, step.reward, step.discount, step.source, step.observation.stamp_ns)


def assert_same(read, written):
    read, written = list(read), list(written)
    assert len(read) == len(written)
    for a, b in zip(read, written, strict=True):
        assert scalars_of(a) == scalars_of(b)
        assert arrays_of(a).keys() == arrays_of(b).keys()
        for name, array in arrays_of(a).items():
            assert array.dtype == arrays_of(b)[name].dtype
            assert array.tobytes() == arrays_of(b)[name].tobytes(), name


def write(path, records, **options):
    with StoreWriter(path, SPEC, ATTRIBUTES, **options) as writer:
        for record in records:
            writer.append(record)


def segment_files(path):
    return sorted((path / "rows").iterdir())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


# ------------------------------------------------------------------------------------ what is written is read


def test_every_value_of_every_record_comes_back_in_the_order_of_arrival(path):
    records = [
        *make_episode(2**33, 20, discount=0.0, is_success=True),
        make_record(0, 0, base=True),
        make_record(1, 0),
        make_record(0, 1, base=True),
    ]
    write(path, records)
    reader = StoreReader(path)
    assert len(reader) == 24
    assert_same(reader.records(), records)
    assert_same(reader.records(first=22), records[22:])


def test_odd_floats_keep_their_bits(path):
    record = make_record(0, 0)
    record.time_step.applied_action[:4] = [-0.0, np.nan, np.inf, 1e-45]
    record.time_step.observation.proprio["pose"][:] = -0.0
    write(path, [record])
    assert_same(StoreReader(path).records(), [record])


def test_rows_come_back_the_same_from_small_and_from_big_segments(path):
    records = [make_record(0, k) for k in range(50)]
    with StoreWriter(path, SPEC, ATTRIBUTES, segment_bytes=1) as writer:  # then 16 rows make a big segment
        for k, record in enumerate(records):
            assert writer.append(record) == k
            if k % 3 == 2:
                writer.flush(10.0)
        writer.flush(10.0)
        names = [file.name[:25] for file in segment_files(path)]
        # flushes after 3, 6, ..., 48 rows: 18 are the first to be 16 or more; then two rows are left
        assert names[:2] == ["000000000000-000000000018", "000000000018-000000000036"]
        assert names[-2:] == ["000000000045-000000000048", "000000000048-000000000050"]
        assert_same(StoreReader(path).records(), records)
    assert [file.name[:25] for file in segment_files(path)][2:] == ["000000000036-000000000050"]
    assert_same(StoreReader(path).records(), records)
    assert_same(StoreReader(path).records(first=17), records[17:])


def test_a_segment_is_a_plain_zarr_group(path):
    records = [make_record(0, k) for k in range(11)]
    write(path, records)
    (file,) = segment_files(path)
    group = zarr.open_group(ZipStore(file, mode="r"), mode="r", zarr_format=3)
    assert group["step"][:].tolist() == list(range(11))
    assert group["images/wrist"].chunks == (8, 6, 8, 3)
    np.testing.assert_array_equal(group["images/wrist"][10], records[10].time_step.observation.images["wrist"])
    group.store.close()


def test_spec_and_attributes_are_restored_exactly(path):
    write(path, [make_record(0, 0)])
    reader = StoreReader(path)
    assert reader.spec == SPEC
    assert list(reader.spec.observation.proprio) == ["pose", "force"]
    assert reader.attributes == ATTRIBUTES


def test_an_environment_without_cameras_is_stored_too(path):
    blind = EnvironmentSpec(ObservationSpec({"x": ArraySpec("x", (1,), np.float32)}, {}), 6, 10, 10)
    observation = Observation({"x": np.ones(1, np.float32)}, {}, 5)
    step = TimeStep(StepType.FIRST, observation, 0.0, 1.0, np.zeros(6, np.float32), Source.POLICY)
    with StoreWriter(path, blind, {}) as writer:
        writer.append(StepRecord(step, 0, 0))
    (record,) = StoreReader(path).records()
    assert record.time_step.observation.images == {}
    assert StoreReader(path).spec == blind


def test_an_empty_run_has_no_rows_and_no_episodes(path):
    write(path, [])
    assert len(StoreReader(path)) == 0
    assert list(StoreReader(path).records()) == list(StoreReader(path).episodes()) == []


def test_rows_are_durable_soon_after_they_were_appended_without_being_asked(path):
    with StoreWriter(path, SPEC, ATTRIBUTES, interval_s=0.01) as writer:
        writer.append(make_record(0, 0))
        with writer._changed:
            assert writer._changed.wait_for(lambda: writer.acknowledged == 1, 10.0)
        assert_same(StoreReader(path).records(), [make_record(0, 0)])


# ------------------------------------------------------------------------------------ episodes


def interleave(*episodes):
    return [record for together in zip(*episodes, strict=True) for record in together]


def test_episodes_come_in_the_order_of_their_first_rows(path):
    a, b = make_episode(7, 20), make_episode(3, 20, discount=0.0, is_success=True)
    write(path, interleave(a, b) + make_episode(1, 2), segment_bytes=1)
    episodes = list(StoreReader(path).episodes())
    assert [number for number, _ in episodes] == [7, 3, 1]
    assert [len(episode) for _, episode in episodes] == [20, 20, 2]
    assert [episode.is_terminal for _, episode in episodes] == [False, True, False]
    np.testing.assert_array_equal(episodes[0][1].actions, to_episode(a).actions)
    np.testing.assert_array_equal(episodes[1][1].images["side"], to_episode(b).images["side"])


def test_an_episode_that_was_cut_off_is_incomplete_and_delays_no_other(path):
    write(path, [make_record(0, 0), make_record(0, 1), *make_episode(1, 3)])
    iterator = StoreReader(path).episodes()
    number, episode = next(iterator)
    assert (number, len(episode), episode.is_complete) == (0, 1, False)
    number, episode = next(iterator)
    assert (number, len(episode), episode.is_complete) == (1, 3, True)


def test_a_gap_divides_an_episode(path):
    steps = make_episode(0, 6)
    write(path, [*steps[:3], *steps[4:], *make_episode(1, 1)])
    reader = StoreReader(path)
    episodes = list(reader.episodes())
    assert [(number, len(episode), episode.is_complete) for number, episode in episodes] == [
        (0, 2, False),
        (0, 2, True),
        (1, 1, True),
    ]
    np.testing.assert_array_equal(episodes[1][1].actions, to_episode(steps).actions[4:])
    assert reader.count_steps() == 6, "what was lost is not counted"


def test_an_episode_of_less_than_a_step_is_left_out(path):
    write(path, [make_record(0, 0), make_record(1, 1), *make_episode(2, 1)])
    assert [number for number, _ in StoreReader(path).episodes()] == [2]


def test_some_episodes_may_be_asked_for_and_the_others_are_not_put_together(path):
    a, b, c = make_episode(7, 20), make_episode(3, 20), make_episode(5, 20)
    steps = make_episode(0, 6)
    write(path, [*make_episode(1, 2), *interleave(a, b, c), *steps[:3], *steps[4:]], segment_bytes=1)
    reader = StoreReader(path)
    for wanted in ({3}, {7, 5}, {0}, {1, 0}):
        whole = [(number, len(episode)) for number, episode in reader.episodes() if number in wanted]
        asked = list(reader.episodes(wanted))
        assert [(number, len(episode)) for number, episode in asked] == whole
    np.testing.assert_array_equal(dict(reader.episodes({3}))[3].actions, to_episode(b).actions)
    assert list(reader.episodes({9})) == []


def test_images_need_not_be_read(path):
    written = make_episode(0, 5)
    write(path, written)
    reader = StoreReader(path, has_images=False)
    assert not reader.spec.observation.images
    ((_, episode),) = reader.episodes()
    assert episode.images == {}
    np.testing.assert_array_equal(episode.actions, to_episode(written).actions)
    np.testing.assert_array_equal(episode.proprio["pose"], to_episode(written).proprio["pose"])


# ------------------------------------------------------------------------------------ resuming


def test_an_episode_may_reach_across_two_writers(path):
    records = make_episode(0, 30)
    write(path, records[:13])
    write(path, records[13:])
    assert_same(StoreReader(path).records(), records)
    ((number, episode),) = StoreReader(path).episodes()
    assert (number, len(episode), episode.is_complete) == (0, 30, True)
    assert len(segment_files(path)) == 1


def test_every_row_tells_which_writer_it_came_from(path):
    write(path, make_episode(0, 2))
    with StoreWriter(path, SPEC, {"git": "def"}) as writer:
        writer.append(make_record(1, 0))
    reader = StoreReader(path)
    assert [reader.attributes_at(row).get("git") for row in range(4)] == ["abc", "abc", "abc", "def"]
    assert reader.attributes == {"git": "def"}
    with pytest.raises(StoreError, match="rows 0 to 3, got 4"):
        reader.attributes_at(4)


def test_records_that_are_sent_again_are_ignored(path):
    records = [make_record(0, k) for k in range(5)]
    with StoreWriter(path, SPEC, ATTRIBUTES) as writer:
        assert [writer.append(record) for record in (*records[:3], *records[:4])] == [0, 1, 2, 2, 2, 2, 3]
    with StoreWriter(path, SPEC, ATTRIBUTES) as writer:
        assert writer.acknowledged == 4
        assert [writer.append(record) for record in records] == [3, 3, 3, 3, 4]
        assert writer.append(make_record(1, 0)) == 5
    assert_same(StoreReader(path).records(), [*records, make_record(1, 0)])


def test_a_store_is_resumed_only_with_its_own_spec(path):
    write(path, [])
    other = EnvironmentSpec(SPEC.observation, 6, SPEC.step_limit, SPEC.rate_hz)
    with pytest.raises(StoreError, match=r"another environment: spec.action_size is 7 and not 6"):
        StoreWriter(path, other, {})
    force = ArraySpec("force", (2,), np.float32, -20.0, 30.0)
    other = ObservationSpec({**SPEC.observation.proprio, "force": force}, SPEC.observation.images)
    with pytest.raises(StoreError, match=r"spec.proprio\[1\].maximum is 20.5 and not 30.0"):
        StoreWriter(path, EnvironmentSpec(other, 7, SPEC.step_limit, SPEC.rate_hz), {})
    write(path, [make_record(0, 0)])  # and the attempts left no lock behind


def test_what_a_killed_writer_left_behind_is_tidied_up(path):
    records = [make_record(0, k) for k in range(6)]
    write(path, records[:3])
    (small,) = segment_files(path)
    content = small.read_bytes()
    write(path, records[3:])
    small.write_bytes(content)  # as if killed between the rename of the big one and the deletion
    unfinished = path / "rows" / "000000000006-000000000009.zarr.zip.partial"
    unfinished.write_bytes(b"half")
    assert_same(StoreReader(path).records(), records)
    write(path, [])
    assert [file.name for file in segment_files(path)] == ["000000000000-000000000006.zarr.zip"]


@pytest.mark.parametrize("place", ["", "rows", "attributes"])
def test_an_export_that_was_killed_inside_a_recording_does_not_end_it(path, place):
    write(path, [make_record(0, 0)])
    left = path / place / ".lerobot.x1.partial"
    left.mkdir()
    (left / "data.partial").write_text("of somebody else")
    unfinished = path / place / "000000000001.json.partial"
    unfinished.write_text("half")
    write(path, [make_record(0, 1)])
    assert len(StoreReader(path)) == 2
    assert (left / "data.partial").read_text() == "of somebody else"
    assert not unfinished.exists()


@pytest.mark.parametrize("name", ["000000000000 (copy).json", "notes.json", "7.json"])
def test_a_stray_file_beside_the_attributes_is_none(path, name):
    write(path, [make_record(0, 0)])
    (path / "attributes" / name).write_text('{"task": "another"}')
    reader = StoreReader(path)
    assert reader.attributes == reader.attributes_at(0) == ATTRIBUTES
    assert reader.tasks == ()


def test_a_writer_that_was_killed_before_the_header_was_there_left_a_folder_that_can_be_used(path):
    path.mkdir()
    (path / "lock").write_text("123")
    (path / "store.json.partial").write_text("{")
    write(path, [make_record(0, 0)])
    assert len(StoreReader(path)) == 1


# ------------------------------------------------------------------------------------ together with others


def test_a_reader_that_looks_while_the_writer_writes_sees_a_beginning_of_the_run(path):
    records = [make_record(k // 40, k % 40) for k in range(200)]

    def append_all():
        for k, record in enumerate(records):
            writer.append(record)
            if k % 5 == 4:
                writer.flush(10.0)

    lengths = []
    with StoreWriter(path, SPEC, ATTRIBUTES, segment_bytes=1) as writer:
        appending = threading.Thread(target=append_all)
        appending.start()
        while not lengths or lengths[-1] < len(records):
            known = writer.acknowledged
            reader = StoreReader(path)
            assert len(reader) >= known
            assert_same(reader.records(), records[: len(reader)])
            lengths.append(len(reader))
        appending.join()
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 2  # it was seen growing


def test_a_reader_goes_on_when_the_segments_that_it_listed_are_replaced(path):
    records = [make_record(0, k) for k in range(12)]
    with StoreWriter(path, SPEC, ATTRIBUTES) as writer:
        for k, record in enumerate(records):
            writer.append(record)
            if k % 2:
                writer.flush(10.0)
        assert len(segment_files(path)) == 6
        reader = StoreReader(path)
        iterator = reader.records()
        read = [next(iterator) for _ in range(3)]
    assert len(segment_files(path)) == 1
    assert_same([*read, *iterator], records)


def test_a_reader_says_which_row_was_lost_since_it_was_opened(path):
    write(path, [make_record(0, 0)])
    reader = StoreReader(path)
    segment_files(path)[0].unlink()
    with pytest.raises(StoreError, match="has lost row 0"):
        list(reader.records())


def test_a_second_writer_is_refused_while_the_first_lives(path):
    with StoreWriter(path, SPEC, ATTRIBUTES), pytest.raises(StoreError, match=f"written by process {os.getpid()}"):
        StoreWriter(path, SPEC, ATTRIBUTES)
    write(path, [])


def test_the_lock_of_a_dead_process_is_taken_over(path):
    write(path, [])
    take_and_die = "import fcntl, os, sys; fcntl.flock(open(sys.argv[1], 'a'), fcntl.LOCK_EX); os.kill(os.getpid(), 9)"
    command = [sys.executable, "-c", take_and_die, str(path / "lock")]
    assert subprocess.run(command, check=False).returncode == -9
    write(path, [make_record(0, 0)])


# ------------------------------------------------------------------------------------ errors


def test_a_failure_in_the_background_is_raised_by_whatever_comes_next(path, monkeypatch):
    writer = StoreWriter(path, SPEC, ATTRIBUTES)
    writer.append(make_record(0, 0))
    writer.flush(10.0)

    def fail(file, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_writer, "write_durably", fail)
    writer.append(make_record(0, 1))
    message = "could not be written: .*No space left.* 1 rows from row 1 on are not on the disk"
    with pytest.raises(StoreError, match=message):
        writer.flush(10.0)
    with pytest.raises(StoreError, match=message):
        writer.append(make_record(0, 2))
    with pytest.raises(StoreError, match=message):
        writer.close()
    monkeypatch.undo()
    write(path, [make_record(0, 1)])
    assert_same(StoreReader(path).records(), [make_record(0, 0), make_record(0, 1)])


def test_a_full_disk_leaves_no_half_file(path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    writer = StoreWriter(path, SPEC, ATTRIBUTES)
    monkeypatch.setattr(os, "fsync", fail)
    writer.append(make_record(0, 0))
    with pytest.raises(StoreError, match="No space left"):
        writer.close()
    assert segment_files(path) == []


def test_a_full_disk_while_a_store_is_opened_is_a_clear_error_and_leaves_no_lock(path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match="cannot be written: No space left on device") as raised:
            StoreWriter(path, SPEC, ATTRIBUTES)
    assert str(path) in str(raised.value)
    write(path, [make_record(0, 0)])
    assert_same(StoreReader(path).records(), [make_record(0, 0)])


def test_a_full_queue_refuses_the_record_and_takes_it_later(path):
    writer = StoreWriter(path, SPEC, ATTRIBUTES, interval_s=60.0, queue_rows=2)
    writer.append(make_record(0, 0))
    writer.append(make_record(0, 1))
    with pytest.raises(StoreError, match="2 rows wait for the disk"):
        writer.append(make_record(0, 2))
    writer.flush(10.0)
    assert writer.append(make_record(0, 2)) == 2
    writer.close()
    assert_same(StoreReader(path).records(), [make_record(0, k) for k in range(3)])


def test_a_flush_that_takes_too_long_says_how_much_is_missing(path):
    writer = StoreWriter(path, SPEC, ATTRIBUTES)
    writer.append(make_record(0, 0))
    with pytest.raises(StoreError, match=r"1 rows are not on the disk after 0\.0 s"):
        writer.flush(0.0)
    writer.close()
    assert len(StoreReader(path)) == 1


def test_a_closed_writer_takes_nothing_and_may_be_closed_again(path):
    writer = StoreWriter(path, SPEC, ATTRIBUTES)
    writer.close()
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.append(make_record(0, 0))


def test_a_record_that_does_not_fit_is_refused_at_once(path):
    good = make_record(0, 0)
    wrong = {
        "pose must be float32 .* got float64": {"pose": np.zeros(3), "force": np.zeros(2, np.float32)},
        r"pose must be float32 \(3,\), got float32 \(4,\)": {
            "pose": np.zeros(4, np.float32),
            "force": np.zeros(2, np.float32),
        },
        r"must have entries \['pose', 'force'\], got \['pose'\]": {"pose": np.zeros(3, np.float32)},
    }
    with StoreWriter(path, SPEC, ATTRIBUTES) as writer:
        for message, proprio in wrong.items():
            observation = Observation(proprio, good.time_step.observation.images, 0)
            step = TimeStep(StepType.FIRST, observation, 0.0, 1.0, good.time_step.applied_action, Source.POLICY)
            with pytest.raises(SpecError, match=message):
                writer.append(StepRecord(step, 0, 0))
        with pytest.raises(SpecError, match="63 bits"):
            writer.append(StepRecord(good.time_step, 2**63, 0))
        assert writer.append(good) == 0


def test_attributes_that_are_no_json_are_refused(path):
    with pytest.raises(StoreError, match="must be JSON"):
        StoreWriter(path, SPEC, {"when": object()})


@pytest.mark.parametrize("make", [StoreReader, lambda path: StoreWriter(path, SPEC, ATTRIBUTES)])
def test_a_foreign_folder_is_no_store_and_is_left_alone(tmp_path, make):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"no stored run: it has no store.json"):
        make(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(StoreError, match=r"thesis.tex is"):
        make(tmp_path / "thesis.tex")


def test_a_folder_that_does_not_exist_is_no_store(path):
    with pytest.raises(StoreError, match="no stored run"):
        StoreReader(path)


def test_another_format_and_a_damaged_header_are_named(path):
    write(path, [])
    header = path / "store.json"
    values = json.loads(header.read_text())
    header.write_text(json.dumps({**values, "format": "robot-rl-run-2"}))
    with pytest.raises(StoreError, match="format 'robot-rl-run-2'"):
        StoreReader(path)
    header.write_text(json.dumps({**values, "spec": {}}))
    with pytest.raises(StoreError, match=r"store.json holds no spec"):
        StoreReader(path)
    header.write_text("{")
    with pytest.raises(StoreError, match=r"store.json cannot be read"):
        StoreReader(path)


def rewrite(file, change):
    """Write a segment anew, with its {name in the archive: content} changed."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def narrow(entries):
    document = json.loads(entries["images/side/zarr.json"])
    document["shape"][1] = document["chunk_grid"]["configuration"]["chunk_shape"][1] = 3
    entries["images/side/zarr.json"] = json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries.pop("images/side/zarr.json"), "array 'images/side' .*missing"),
        (lambda entries: entries.pop("images/side/c/1/0/0/0"), "array 'images/side' .*lacks 1 of 2 chunks"),
        (lambda entries: entries.pop("zarr.json"), r"000000000000-000000000009.zarr.zip is no zarr group"),
        (narrow, r"array 'images/side' .*must be uint8 \(9, 4, 4, 3\), got uint8 \(9, 3, 4, 3\)"),
        (lambda entries: entries.update({"reward/c/0": b"rubbish"}), "array 'reward'"),
        (lambda entries: entries.update({"reward/zarr.json": b"{"}), "array 'reward'"),
    ],
)
def test_a_damaged_segment_names_the_array_and_says_what_to_do(path, change, message):
    write(path, [make_record(0, k) for k in range(9)])
    rewrite(*segment_files(path), change)
    with pytest.raises(StoreError, match=f"{message}.*restore the file from a copy"):
        list(StoreReader(path).records())


def test_a_flipped_bit_in_a_chunk_is_found(path):
    write(path, [make_record(0, 0)])
    (file,) = segment_files(path)
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo("images/wrist/c/0/0/0/0")
    content[entry.header_offset + 60 + entry.compress_size // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"000000000001.zarr.zip: array 'images/wrist' is damaged"):
        list(StoreReader(path).records())


def test_a_truncated_segment_is_found(path):
    write(path, [make_record(0, 0)])
    (file,) = segment_files(path)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(StoreError, match=r"000000000001.zarr.zip is no zarr group"):
        list(StoreReader(path).records())


def test_a_missing_segment_is_found_and_nothing_is_appended_behind_the_hole(path):
    with StoreWriter(path, SPEC, ATTRIBUTES, segment_bytes=1) as writer:
        for k in range(60):
            writer.append(make_record(0, k))
            if k % 20 == 19:
                writer.flush(10.0)
    segment_files(path)[1].unlink()
    message = r"000000000040-000000000060.zarr.zip: rows 20 to 39 are missing before it"
    with pytest.raises(StoreError, match=message):
        StoreReader(path)
    with pytest.raises(StoreError, match=message):
        StoreWriter(path, SPEC, ATTRIBUTES)
