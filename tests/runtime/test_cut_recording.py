"""A recording whose process is started again in the middle has as many episodes in the end as were asked for."""

import pytest

from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError, DeviceError, StoreError
from robot_rl.runtime.recorder import record_demonstrations
from tests.runs import make_people_cell


class Killed(BaseException):
    """As if the process had been killed."""


def record(path, episodes, *, error=None, after=0, who="a test", is_restarted=True, heard=None):
    """Record; the error comes after so many episodes of this process."""
    count = 0

    def on_episode(kept, is_success):
        nonlocal count
        count += 1
        if heard is not None:
            heard.append(kept)
        if error is not None and count == after:
            raise error
        return True

    return record_demonstrations(
        make_people_cell("expert").env,
        path,
        {"who": who},
        episodes,
        0,
        is_success_only=True,
        on_episode=on_episode,
        is_restarted=is_restarted,
    )


def count(path):
    return len(StoreReader(path).ended_episodes())


@pytest.mark.parametrize("error", [DeviceError("the cable is out"), Killed(), RuntimeError("a mistake")])
def test_a_recorder_that_is_started_again_counts_what_was_kept_before(tmp_path, error):
    record(tmp_path, 2)
    for after in (2, 1):
        with pytest.raises(type(error)):
            record(tmp_path, 5, error=error, after=after)
    heard = []
    assert record(tmp_path, 5, heard=heard) == 5
    assert heard == [4, 5]
    assert count(tmp_path) == 7, "beside the two that were there"


def test_one_that_was_killed_after_its_last_episode_records_no_more(tmp_path):
    with pytest.raises(Killed):
        record(tmp_path, 2, error=Killed(), after=2)
    assert record(tmp_path, 2) == 2
    assert count(tmp_path) == 2


def test_who_records_again_after_a_recording_is_over_gets_as_many_again(tmp_path):
    for total in (2, 4):
        assert record(tmp_path, 2) == 2
        assert count(tmp_path) == total


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConfigError("too hard")])
def test_a_recording_that_nobody_starts_again_is_over(tmp_path, error):
    with pytest.raises(type(error)):
        record(tmp_path, 3, error=error, after=1)
    assert record(tmp_path, 3) == 3
    assert count(tmp_path) == 4


def test_other_words_are_another_recording(tmp_path):
    with pytest.raises(DeviceError):
        record(tmp_path, 3, error=DeviceError("the cable is out"), after=1)
    assert record(tmp_path, 3, who="somebody else") == 3
    assert count(tmp_path) == 4


def test_where_nobody_watches_over_the_process_every_call_is_a_recording_of_its_own(tmp_path):
    with pytest.raises(DeviceError):
        record(tmp_path, 3, error=DeviceError("the cable is out"), after=1, is_restarted=False)
    assert record(tmp_path, 3, is_restarted=False) == 3
    assert count(tmp_path) == 4


def test_a_damaged_count_is_a_clear_error(tmp_path):
    record(tmp_path, 1)
    (tmp_path / "begun.json").write_text("[")
    with pytest.raises(StoreError, match=r"begun\.json is damaged"):
        record(tmp_path, 1)
