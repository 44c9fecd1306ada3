"""A learner in a thread: a process in all but name."""

import threading
from dataclasses import replace

from robot_rl.runtime.channels.connection import make_learner_channel
from robot_rl.runtime.learning.learner_run import LearnerRun
from robot_rl.runtime.learning.learner_service import LearnerService
from robot_rl.runtime.run_folder import RunFolder
from tests.runs import make_fake_env

TIMEOUT_S = 60.0


class Served:
    """Serves a run, new or resumed, until it is over or `end` is called."""

    def __init__(self, path, config):
        self.spec = make_fake_env(config).spec
        self.channel = make_learner_channel(config, self.spec)
        self.config = replace(config, channel=replace(config.channel, address=self.channel.address))
        folder = RunFolder(path)
        if not folder.config_file.exists():
            folder.create(config)
        self.run = LearnerRun(self.config, folder, self.spec, self.channel)
        self.result, self.error, self.is_interrupted = None, None, False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        try:
            self.run.prepare(lambda update, total: None)
            self.result = LearnerService(self.run, self.channel, lambda: self.is_interrupted).serve()
        except BaseException as error:  # noqa: BLE001  raised by `join`
            self.error = error
        finally:
            self.run.close()
            self.channel.close()

    def join(self):
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive(), "the learner did not end"
        if self.error is not None:
            raise self.error
        return self.result

    def end(self):
        self.is_interrupted = True
        self.join()
