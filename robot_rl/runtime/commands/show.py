"""`robot-rl show`: what is in a recording, or in what a run has experienced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from robot_rl.clock import NS_PER_S
from robot_rl.data.episode import Episode
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError
from robot_rl.runtime.reporting.episode_figure import plot_episodes
from robot_rl.runtime.reporting.output_file import check_path
from robot_rl.runtime.reporting.recording import VideoFile, write_label, write_result
from robot_rl.runtime.run_folder import find_store
from robot_rl.types import Source

_FRAME_HEIGHT_PX = 256
_COLUMNS = ("episode", "steps", "time [s]", "result", "return", "force [N]", "acted")
_WIDTHS = (7, 6, 9, 11, 7, 10, 0)


def run(source: Path, ranges: Sequence[range], picture: Path | None, video: Path | None) -> int:
    """Print a line for every episode, and a last one about all; draw them, and write what the cameras saw.

    Args:
        source: folder of a run, or of a recording.
        ranges: numbers of the episodes that are wanted; none for all.
        picture: PNG to write, or None.
        video: MP4 to write, or None.

    Raises:
        StoreError: the source is no store, damaged, or has no such episode.
        ConfigError: there is no step yet, no image for a video, or a file cannot be written.
    """
    reader = StoreReader(find_store(source), has_images=video is not None)
    numbers = reader.find_episodes(ranges)
    if video is not None and not reader.spec.observation.images:
        raise ConfigError(f"{reader.path} was recorded without cameras: there is nothing to film; --picture draws it.")
    if picture is not None:
        check_path(picture, "picture", ".png")
    print(_describe(reader))
    print(_to_line(_COLUMNS))
    shown: list[Episode] = []
    filming = nullcontext() if video is None else closing(VideoFile(video, reader.spec.rate_hz))
    with filming as film:
        for number, episode in reader.episodes(numbers):
            print(_to_line(_to_cells(number, episode)))
            if film is not None:
                _film(film, number, episode)
            shown.append(replace(episode, images={}))  # they may be many
    if not shown:
        raise ConfigError(f"{reader.path} holds no whole step of these episodes yet.")
    print(_summarise(shown, len(numbers & reader.ended_episodes()), len(numbers & reader.successful_episodes())))
    if picture is not None:
        plot_episodes(shown, picture, f"{source}: {_count(len(shown), 'episode')}")
    for path in (picture, video):
        if path is not None:
            print(f"wrote {path}")
    return 0


def _describe(reader: StoreReader) -> str:
    images = reader.spec.observation.images
    said = [f"{reader.spec.rate_hz:g} Hz", f"{len(reader)} time steps"]
    if reader.tasks:
        said.insert(0, " and ".join(reader.tasks))
    if images:
        said.append("cameras " + ", ".join(images))
    if revision := reader.attributes.get("revision"):
        said.append(f"code {revision}")
    return f"{reader.path}: {', '.join(said)}"


def _to_line(cells: Sequence[str]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _to_cells(number: int, episode: Episode) -> tuple[str, ...]:
    force = episode.proprio.get("tcp_force")
    return (
        str(number),
        str(len(episode)),
        f"{_to_seconds(episode):.1f}",
        _to_result(episode),
        f"{episode.paid_at_start + float(episode.rewards.sum()):.2f}",
        "" if force is None else f"{float(np.linalg.norm(force, axis=1).max()):.1f}",
        _to_shares(episode.sources),
    )


def _to_seconds(episode: Episode) -> float:
    return float(episode.stamps_ns[-1] - episode.stamps_ns[0]) / NS_PER_S


def _to_result(episode: Episode) -> str:
    if not episode.is_complete:
        return "no end"
    return "success" if episode.is_success else "failure" if episode.is_terminal else "out of time"


def _to_shares(sources: NDArray[np.int8]) -> str:
    """Who chose the actions, most of them first."""
    counts = sorted(((int((sources == who).sum()), who) for who in Source), key=lambda one: -one[0])
    return ", ".join(f"{who.name.lower()} {count / len(sources):.0%}" for count, who in counts if count)


def _summarise(parts: Sequence[Episode], ended: int, successes: int) -> str:
    over = [part for part in parts if part.is_complete]
    seconds = [_to_seconds(part) for part in over if part.is_success]
    said = f"{_count(ended, 'episode')}, {successes} of them successes"
    if seconds:
        said += f" (median {np.median(seconds):.1f} s)"
    if unfinished := len(parts) - len(over):
        said += f"; {_count(unfinished, 'part')} without an end: a pause, or it goes on"
    return said


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _film(film: VideoFile, number: int, episode: Episode) -> None:
    """Every time step as a frame, and the result for half a second."""
    name = f"episode {number}"
    last = None
    for step, image in enumerate(_join_cameras(episode)):
        who = Source(int(episode.sources[step - 1])).name.lower() if step else "start"
        film.write(write_label(image, f"{name}   step {step}   {who}"))
        last = image
    if last is None or not episode.is_complete:
        return
    end = write_result(last, name, f"after {_to_seconds(episode):.1f} s", is_success=bool(episode.is_success))
    for _ in range(film.frames_of_half_a_second):
        film.write(end)


def _join_cameras(episode: Episode) -> Iterator[NDArray[np.uint8]]:
    """The images of a time step beside each other, at one height; sizes are even."""
    for images in zip(*episode.images.values(), strict=True):
        scaled = []
        for image in images:
            width_px = 2 * round(image.shape[1] * _FRAME_HEIGHT_PX / image.shape[0] / 2)
            scaled.append(cv2.resize(image, (width_px, _FRAME_HEIGHT_PX), interpolation=cv2.INTER_LINEAR))
        yield np.asarray(np.hstack(scaled), np.uint8)
