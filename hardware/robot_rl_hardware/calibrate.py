"""`robot-rl calibrate`: from views to where the camera is, from readings to what the hand holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from robot_rl.errors import ExchangeError, SpecError
from robot_rl.geometry import Pose
from robot_rl_hardware.calibration import payload as payloads
from robot_rl_hardware.calibration import readings as reading_files
from robot_rl_hardware.calibration.board import look
from robot_rl_hardware.calibration.hand_eye import FEWEST_VIEWS, HandEye, calibrate
from robot_rl_hardware.calibration.views import Views, load

_PARENT = {"hand": "tcp", "base": "base"}


def hand_eye(folder: Path, out: Path | None) -> int:
    """Calibrate from a folder of views, print a table, and write the result, by default into the folder.

    Raises:
        ExchangeError: it is no folder of views, or the result cannot be written.
        SpecError: too few views show the board, or the views do not tell where the camera is, or do not agree.
    """
    views = load(folder)
    seen = [(view, sight) for view in views.views if (sight := look(view.image, views.board, views.lens)) is not None]
    unseen = sorted({view.name for view in views.views} - {view.name for view, _ in seen})
    if len(seen) < FEWEST_VIEWS:
        blind = f"; not in {', '.join(unseen)}" if unseen else ""
        raise SpecError(f"the board is seen in {len(seen)} views of {folder}, at least {FEWEST_VIEWS} needed{blind}.")
    poses = [view.tcp if views.mount == "hand" else view.tcp.inverse() for view, _ in seen]
    result = calibrate(poses, [sight for _, sight in seen], views.lens, [view.name for view, _ in seen])
    for (view, _), error_px in zip(seen, result.errors_px, strict=True):
        print(f"{view.name:>16}  {error_px:6.2f} px")
    for name in unseen:
        print(f"{name:>16}  no board")
    _write(out or folder / "hand_eye.yaml", _to_plain(result, views, len(seen)))
    residual = {"error_px": result.error_px, "spread_m": result.spread_m, "spread_rad": result.spread_rad}
    print(json.dumps({"views": len(seen), **{name: round(value, 6) for name, value in residual.items()}}))
    return 0


def payload(file: Path, out: Path | None) -> int:
    """Find out what the hand holds from a file of readings, print a table, and write the result, by default beside it.

    Raises:
        ExchangeError: it is no file of readings, or the result cannot be written.
        SpecError: too few readings, too similar orientations, or readings that do not agree.
    """
    readings = reading_files.load(file)
    result = payloads.fit(readings.readings, readings.tool, readings.load)
    for number, (error_n, error_nm) in enumerate(zip(result.errors_n, result.errors_nm, strict=True)):
        print(f"{number:>16}  {error_n:6.2f} N  {error_nm:6.3f} Nm")
    found = {
        "load_kg": round(result.load.kg, 4),
        "load_com_m": [round(each, 5) for each in result.load.com_m],
        "load_kg_deviation": round(result.load_kg_deviation, 4),
        "load_com_m_deviation": round(result.load_com_m_deviation, 5),
        "error_n": round(result.error_n, 4),
        "error_nm": round(result.error_nm, 5),
    }
    date, count = datetime.now(UTC).isoformat(timespec="seconds"), len(readings.readings)
    bias = [round(each, 4) for each in result.bias.tolist()]
    _write(out or file.with_name("payload.yaml"), {"date": date, **found, "bias": bias, "readings": count})
    print(json.dumps({"readings": count, **found}))
    return 0


def _write(target: Path, plain: dict[str, Any]) -> None:
    try:
        target.write_text(yaml.safe_dump(plain, sort_keys=False))
    except OSError as error:
        raise ExchangeError(f"cannot write {target}: {error.strerror}.") from error
    print(f"wrote {target}")


def _to_plain(result: HandEye, views: Views, count: int) -> dict[str, Any]:
    parent = _PARENT[views.mount]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "mount": views.mount,
        f"T_{parent}_camera": _plain_pose(result.camera),
        f"T_{'base' if parent == 'tcp' else 'tcp'}_board": _plain_pose(result.board),
        "views": count,
        "error_px": round(result.error_px, 4),
        "spread_m": round(result.spread_m, 6),
        "spread_rad": round(result.spread_rad, 6),
        "lens": {**asdict(views.lens), "distortion": list(views.lens.distortion)},
        "board": asdict(views.board),
    }


def _plain_pose(pose: Pose) -> dict[str, list[float]]:
    """Position [m] and quaternion (x, y, z, w)."""
    return {"position": pose.position.tolist(), "quaternion": pose.quaternion.tolist()}
