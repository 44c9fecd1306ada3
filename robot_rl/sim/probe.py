"""A ball-tipped probe in the hand, to press with: one contact point, on the tool's axis."""

from __future__ import annotations

from typing import Final

import mujoco

from robot_rl.sim import franka
from robot_rl.sim.tasks import parts
from robot_rl.sim.workcell import make_workcell_spec

PROBE_LENGTH_M: Final = 0.03
"""From the TCP to the lowest point of the ball, along the tool's axis [m]."""

_BALL_RADIUS_M: Final = 0.008
_PLATE_HALF_M: Final = (0.15, 0.2, 0.01)
PLATE_TOP_M: Final = 2 * _PLATE_HALF_M[2]
"""Height of the plate's surface above the table [m]."""

_PLATE_SOLREF: Final = (-1e4, -60.0)
"""Negative: stiffness [1/s^2] and damping [1/s] as such. 16 N press 0.015 mm into it, 500 times less than into the
arm's spring; and still an impact takes 7 ms to its peak: a curve, not one sample that depends on the time step."""
_PLATE_SOLIMP: Final = (0.95, 0.95, 0.001, 0.5, 2.0)
"""The same impedance at every depth, so that the contact is linear."""


def make_probe_spec() -> mujoco.MjSpec:
    """The workcell with a probe in the hand and a stiff plate on the table."""
    spec = make_workcell_spec()
    probe = parts.add_tool(spec, "probe")
    shaft_m = PROBE_LENGTH_M - _BALL_RADIUS_M
    probe.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        size=[_BALL_RADIUS_M, 0.0, 0.0],
        fromto=[0.0, 0.0, 0.0, 0.0, 0.0, shaft_m],
        contype=franka.HAND.contype,
        conaffinity=franka.HAND.conaffinity,
        rgba=parts.TOOL_RGBA,
        mass=0.05,
    )
    x, y, z = _PLATE_HALF_M
    plate = parts.add_fixture(spec, "plate")
    plate.pos = [0.5, 0.0, 0.0]
    geom = parts.add_box(plate, [-x, -y, 0.0], [x, y, 2 * z], franka.ENVIRONMENT, parts.FIXTURE_RGBA)
    geom.solref, geom.solimp = _PLATE_SOLREF, _PLATE_SOLIMP
    return spec
