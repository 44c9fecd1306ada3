"""The channel within a process, and what both channels are made of."""

import threading

import pytest

from robot_rl.errors import ChannelError
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.channels.mailbox import WINDOW, Inbox, Outbox
from tests.contracts import CHANNEL_SPEC, ChannelContract, make_record


class TestLocalChannel(ChannelContract):
    @pytest.fixture
    def make_channels(self):
        return lambda capacity: make_local_channels(CHANNEL_SPEC, capacity)


def steps(records):
    return [record.step for record in records]


def test_two_threads_lose_nothing_and_double_nothing():
    actor, learner = make_local_channels(CHANNEL_SPEC, 5000)
    sender = threading.Thread(target=lambda: [actor.send(make_record(0, step)) for step in range(500)])
    sender.start()
    drained = []
    while sender.is_alive() or actor.unacknowledged:
        drained += steps(learner.drain())
        learner.acknowledge()
    sender.join()
    assert drained == list(range(500))


def test_an_outbox_keeps_the_numbers_of_what_is_left():
    outbox = Outbox(3)
    for step in range(3):
        outbox.append(make_record(0, step))
    outbox.forget(2)
    assert (outbox.first, outbox.end, len(outbox)) == (2, 3, 1)
    assert outbox.get(2).step == 2
    outbox.append(make_record(0, 3))
    outbox.append(make_record(0, 4))
    with pytest.raises(ChannelError, match="3 records"):
        outbox.append(make_record(0, 5))
    outbox.forget(1)
    assert outbox.first == 2, "an old acknowledgement takes nothing back"
    outbox.forget(99)
    assert (outbox.first, len(outbox)) == (5, 0)


def test_an_inbox_takes_each_record_once_and_in_order():
    inbox = Inbox(100)
    inbox.accept("a", 0, make_record(0, 0))
    assert inbox.drain() == [], "nobody introduced this session"
    inbox.open("a", 0)
    for number in (0, 0, 2, 1, 1, 2, 0):
        inbox.accept("a", number, make_record(0, number))
    assert inbox.positions("a") == (3, 0, 3 + WINDOW)
    inbox.open("a", 0)
    assert steps(inbox.drain()) == [0, 1, 2]


def test_an_inbox_goes_on_where_an_earlier_learner_was_safe():
    inbox = Inbox(100)
    inbox.open("a", 7)
    assert inbox.positions("a")[:2] == (7, 7)
    inbox.open("a", 9)
    inbox.accept("a", 9, make_record(0, 9))
    assert steps(inbox.drain()) == [9]
    inbox.acknowledge()
    assert inbox.positions("a")[:2] == (10, 10)


def test_an_acknowledgement_covers_every_session_up_to_what_was_drained():
    inbox = Inbox(100)
    for session in ("a", "b"):
        inbox.open(session, 0)
    inbox.accept("a", 0, make_record(0, 0))
    inbox.drain()
    inbox.accept("a", 1, make_record(0, 1))
    inbox.accept("b", 0, make_record(1, 0))
    inbox.acknowledge()
    assert inbox.positions("a")[:2] == (2, 1)
    assert inbox.positions("b")[:2] == (1, 0)
    inbox.drain()
    inbox.acknowledge(2)
    assert [inbox.positions(session)[1] for session in "ab"] == [2, 0], "a's two came first"
    inbox.acknowledge(3)
    assert [inbox.positions(session)[1] for session in "ab"] == [2, 1]


def test_a_full_inbox_has_no_room_until_it_is_drained():
    inbox = Inbox(2)
    inbox.open("a", 0)
    for number in range(2):
        assert inbox.positions("a")[2] == number + WINDOW
        inbox.accept("a", number, make_record(0, number))
    assert inbox.positions("a")[2] == 2
    inbox.drain()
    assert inbox.positions("a")[2] == 2 + WINDOW
