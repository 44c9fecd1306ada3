"""The learner by itself, for actors elsewhere: a real robot does not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from robot_rl.runtime.learner import Learner

INGEST_EVERY_S = 0.005
_IDLE_S = 0.005


def run_learner(
    learner: Learner, is_finished: Callable[[], bool], on_update: Callable[[], None] = lambda: None
) -> None:
    """Take in what arrives, make the updates that it asks for, and offer weights, until told to end.

    Experience is taken in by a thread of its own, so that an update never keeps it waiting. As many updates are made
    as the environment's steps ask for and no more; where the machine is too slow for them, `learner/behind_steps`
    grows, and what is owed is made up for whenever the robot rests.

    Args:
        learner: nobody else uses it meanwhile.
        is_finished: asked after each update, and while there is none to make.
        on_update: called after each update, in the same thread.

    Raises:
        Exception: whatever went wrong in either thread.
    """
    is_over = threading.Event()
    errors: list[Exception] = []

    def take_in() -> None:
        try:
            while not is_over.wait(INGEST_EVERY_S):
                learner.ingest()
        except Exception as error:  # noqa: BLE001  raised again below, by the thread that people look at
            errors.append(error)

    thread = threading.Thread(target=take_in, name="ingestion")
    thread.start()
    try:
        while not is_finished() and not errors:
            made = learner.catch_up(limit=1)
            learner.publish()
            if made:
                on_update()
            else:
                is_over.wait(_IDLE_S)
    finally:
        is_over.set()
        thread.join()
    if errors:
        raise errors[0]
    learner.ingest()  # what came after the last look, so that it is stored
