"""The learner by itself, for actors elsewhere: a real robot does not wait for it, a simulated one may."""

from __future__ import annotations

import threading
from collections.abc import Callable

from robot_rl.runtime.channels.channel import LearnerChannel
from robot_rl.runtime.learning.learner import Learner

INGEST_EVERY_S = 0.005
_IDLE_S = 0.005
_ASK_EVERY_S = 0.1  # whether it is over, while nothing arrives


def run_learner(learner: Learner, is_finished: Callable[[], bool], on_look: Callable[[], None] = lambda: None) -> None:
    """Take in what arrives, make the updates that it asks for, and offer weights, until told to end.

    Experience is taken in by a thread of its own, so that an update never keeps it waiting. As many updates are made
    as the environment's steps ask for and no more; where the machine is too slow for them, `learner/behind_steps`
    grows, and what is owed is made up for whenever the robot rests.

    Args:
        learner: nobody else uses it meanwhile.
        is_finished: asked after each update, and while there is none to make.
        on_look: called after each update, and while there is none to make, in the same thread.

    Raises:
        Exception: whatever went wrong in either thread.
    """
    is_over = threading.Event()
    errors: list[Exception] = []

    def take_in() -> None:
        announced = -1
        try:
            while not is_over.wait(INGEST_EVERY_S):
                learner.ingest()
                if learner.arrivals.drained != announced:
                    announced = learner.arrivals.drained
                    learner.announce()
        except Exception as error:  # noqa: BLE001  raised again below, by the thread that people look at
            errors.append(error)

    thread = threading.Thread(target=take_in, name="ingestion")
    thread.start()
    try:
        while not is_finished() and not errors:
            made = learner.catch_up(limit=1)
            learner.publish()
            on_look()
            if not made:
                is_over.wait(_IDLE_S)
    finally:
        is_over.set()
        thread.join()
    if errors:
        raise errors[0]
    learner.ingest()  # what came after the last look, so that it is stored


def run_learner_in_step(
    learner: Learner,
    channel: LearnerChannel,
    is_finished: Callable[[], bool],
    on_step: Callable[[], None] = lambda: None,
    on_episode_end: Callable[[], None] = lambda: None,
) -> None:
    """The learner for actors that wait for it after each time step; what happens when is as in `LockStep`.

    A time step is taken in when the updates of the one before are made; then weights are offered if due, and the actor
    goes on while those of this one are. At the end of an episode it goes on only after they are made, too, and after
    `on_episode_end`.

    Args:
        learner: nobody else uses it meanwhile.
        channel: of the learner.
        is_finished: asked after each time step's updates, and while nothing arrives.
        on_step: called when a time step was taken in, while the learner rests.
        on_episode_end: called when all updates of an episode were made; the weights that it offers begin the next.
    """
    while not is_finished():
        has_arrived = channel.wait(_ASK_EVERY_S)
        ended_before = learner.arrivals.ended_episodes
        learner.ingest()  # also where nothing has arrived: what has reached the disk since is acknowledged
        if not has_arrived:
            continue
        learner.publish()
        on_step()
        if learner.arrivals.ended_episodes == ended_before:
            learner.announce()
            learner.catch_up()
        else:
            learner.catch_up()
            on_episode_end()
            learner.announce()
