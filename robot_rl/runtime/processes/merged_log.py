"""The output of several processes as one: a line each, with the process's name before it, and a file for each."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TextIO

from rich.console import Console
from rich.text import Text

from robot_rl.errors import ConfigError
from robot_rl.runtime.processes.output_thread import OutputThread

SUPERVISOR = "up"
"""The name before the supervisor's own lines."""
_STYLES = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class MergedLog:
    """Shows the lines of processes under each other, and appends them to their files.

    Used as a context manager, which waits until all that is shown was read, and closes the files. Nobody waits before:
    where the reader stalls, lines are left out there, but not in the files.
    """

    def __init__(self, files: dict[str, Path | None], stream: TextIO | None = None) -> None:
        """Open the files.

        Args:
            files: name of each process -> its log file, or None. The folders are made.
            stream: where the lines are shown; standard output if None. Colours only if it is a terminal.

        Raises:
            ConfigError: a file cannot be written.
        """
        stream = stream or sys.stdout
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._width = max(len(name) for name in (*files, SUPERVISOR))
        self._styles = {name: _STYLES[index % len(_STYLES)] for index, name in enumerate(files)}
        self._files: dict[str, IO[str]] = {}
        for name, path in files.items():
            if path is not None:
                self._files[name] = _open(path)
        self._output = OutputThread(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._output.close()
        finally:
            for file in self._files.values():
                file.close()

    @property
    def is_broken(self) -> bool:
        """Whether the reader, a terminal or a program, has gone."""
        return self._output.is_broken

    @property
    def columns(self) -> int:
        """Characters that a line of a process may have to fit into the terminal."""
        return max(20, self._console.width - self._width - 3)

    def show(self, name: str, line: str) -> None:
        """One line that the process `name` has printed."""
        line = line.rstrip("\r").rpartition("\r")[2]  # of a line that was written over, what could be seen at the end
        self._write(name, _to_plain(line))
        self._print(
            name, Text.assemble((f"{name:>{self._width}} | ", self._styles.get(name, "")), Text.from_ansi(line))
        )

    def say(self, text: str) -> None:
        """A line of the supervisor itself, which goes into every file, too: it says why the process there ended."""
        for name in tuple(self._files):
            self._write(name, f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {text}")
        self._print(SUPERVISOR, Text.assemble((f"{SUPERVISOR:>{self._width}} | {text}", "bold")))

    def show_plain(self, line: str) -> None:
        """A line without a name before it, for scripts."""
        self._print("", Text(_to_plain(line)))

    def _write(self, name: str, line: str) -> None:
        if name not in self._files:
            return
        try:
            self._files[name].write(f"{line}\n")
            self._files[name].flush()
        except OSError as error:  # a full disk is no reason to drop what the robot is doing
            del self._files[name]
            self.say(f"the log file of {name} cannot be written any more: {error.strerror}")

    def _print(self, source: str, text: Text) -> None:
        if not self._console.is_terminal:
            encoding = self._console.encoding  # what it cannot express must not be an error either
            text = Text(_to_plain(text.plain).encode(encoding, "backslashreplace").decode(encoding))
        with self._console.capture() as capture:
            self._console.print(text, soft_wrap=True)
        self._output.put(source, capture.get())


def _to_plain(line: str) -> str:
    return _CONTROLS.sub("", _ESCAPES.sub("", line))


def _open(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
