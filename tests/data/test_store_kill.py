"""A writer that is killed with SIGKILL at random moments loses nothing that it acknowledged.

A process without threads forks the writers, so that not each of them has to import everything.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepRecord, StepType, TimeStep

ROOT = Path(__file__).parents[2]
SPEC = EnvironmentSpec(
    ObservationSpec({"x": ArraySpec("x", (2,), np.float32)}, {"eye": ArraySpec("eye", (4, 4, 3), np.uint8)}),
    action_size=6,
    step_limit=10,
    rate_hz=10.0,
)
STEPS = 7
"""Time steps of each episode; row n is step n % STEPS of episode n // STEPS."""


def make_record(row):
    episode, step = divmod(row, STEPS)
    rng = np.random.default_rng(row)
    image = rng.integers(0, 256, (4, 4, 3), np.uint8)
    observation = Observation({"x": np.full(2, row, np.float32)}, {"eye": image}, row)
    kind = StepType.FIRST if step == 0 else StepType.LAST if step == STEPS - 1 else StepType.MID
    return StepRecord(
        TimeStep(kind, observation, 0.5 * row, 1.0, np.full(6, -row, np.float32), Source.POLICY), episode, step
    )


def write_until_killed(path, seed):
    """Resume the store, send the newest rows again, and go on for ever; say what of it was acknowledged."""
    rng = np.random.default_rng(seed)
    writer = StoreWriter(path, SPEC, {"seed": seed}, interval_s=0.002, segment_bytes=1)
    row = max(0, writer.acknowledged - 20)

    def report():
        known = writer.acknowledged
        while True:
            if writer.acknowledged > known:
                known = writer.acknowledged
                os.write(1, b"acknowledged %d\n" % known)
            time.sleep(0.0005)

    threading.Thread(target=report, daemon=True).start()
    while True:
        for _ in range(rng.integers(1, 12)):
            writer.append(make_record(row))
            row += 1
        writer.flush(10.0)


def serve():
    """For each line "path seed" on standard input, fork a writer and say how it ended."""
    for line in sys.stdin:
        path, seed = line.rsplit(maxsplit=1)
        child = os.fork()
        if child == 0:
            try:
                write_until_killed(path, int(seed))
            finally:
                os._exit(1)
        os.write(1, b"started %d\n" % child)
        _, status = os.waitpid(child, 0)
        os.write(1, b"ended %d\n" % os.waitstatus_to_exitcode(status))


@pytest.fixture(scope="module")
def server():
    command = [sys.executable, "-c", "from tests.data.test_store_kill import serve; serve()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        yield process
        process.stdin.close()


def kill_after(server, path, seed, is_writing, delay_s):
    """Kill a writer some time after it began to write, or was forked; how many rows it acknowledged."""
    server.stdin.write(f"{path} {seed}\n")
    server.stdin.flush()
    child, acknowledged = 0, -1
    while not child or (is_writing and acknowledged < 0):
        word, number = server.stdout.readline().split()
        assert word != "ended", "the writer ended by itself"
        child, acknowledged = (int(number), acknowledged) if word == "started" else (child, int(number))
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    for line in server.stdout:
        word, number = line.split()
        if word == "ended":
            assert int(number) == -signal.SIGKILL, "the writer ended by itself"
            return acknowledged
        acknowledged = int(number)
    raise AssertionError("the server ended by itself")


def assert_rows(reader, first):
    """Its rows from `first` on are those that were sent, each once and in their order."""
    rows = list(range(first, len(reader)))
    for row, record in zip(rows, reader.records(first), strict=True):
        expected = make_record(row)
        assert (record.episode, record.step) == (expected.episode, expected.step)
        assert record.time_step.reward == expected.time_step.reward
        np.testing.assert_array_equal(record.time_step.applied_action, expected.time_step.applied_action)
        seen, sent = record.time_step.observation, expected.time_step.observation
        np.testing.assert_array_equal(seen.images["eye"], sent.images["eye"])
        assert (seen.stamp_ns, seen.proprio["x"][0]) == (row, row)


@pytest.mark.parametrize("run", range(6))
def test_what_was_acknowledged_survives_a_kill_at_any_moment(server, tmp_path, run):
    path = tmp_path / "run"
    rng = np.random.default_rng(run)
    lengths = [0]
    for kill in range(9):
        is_writing = bool(kill % 3)  # else it may be opening the store still
        acknowledged = kill_after(server, path, 100 * run + kill, is_writing, rng.uniform(0.0, 0.05))
        if not (path / "store.json").exists():
            assert acknowledged < 0  # killed before there was a store
            continue
        reader = StoreReader(path)
        assert len(reader) >= max(acknowledged, lengths[-1])
        assert_rows(reader, max(0, lengths[-1] - 20))
        lengths.append(len(reader))
    assert_rows(StoreReader(path), 0)
    assert len(set(lengths)) >= 7  # 0, and more after each of the 6 writers that were killed while they wrote
    episodes = list(StoreReader(path).episodes())
    assert [number for number, _ in episodes[:-1]] == list(range(len(episodes) - 1))
    assert all(episode.is_complete and len(episode) == STEPS - 1 for _, episode in episodes[:-1])
