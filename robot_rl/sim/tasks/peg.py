"""Peg in hole: a square peg in the hand, a square hole with a bevelled rim."""

from __future__ import annotations

from typing import ClassVar

import mujoco

from robot_rl.sim import franka
from robot_rl.sim.tasks import parts
from robot_rl.sim.tasks.insertion import InsertionTask

PEG_HALF_M = 0.008
_HOLE_DEPTH_M = 0.03
_WALL_M = 0.025


class Peg(InsertionTask):
    """A 16 mm square peg goes 20 mm deep into its hole."""

    name: ClassVar[str] = "peg"
    tool_length_m: ClassVar[float] = 0.04
    grasp_width_m: ClassVar[float] = 2 * PEG_HALF_M
    tool_body: ClassVar[str] = "peg"
    fixture_body: ClassVar[str] = "hole"
    fixture_height_m: ClassVar[float] = _HOLE_DEPTH_M + 0.005
    success_depth_m: ClassVar[float] = 0.02

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Peg and hole."""
        peg = parts.add_tool(spec, self.tool_body)
        half = PEG_HALF_M
        parts.add_box(
            peg, [-half, -half, -0.012], [half, half, self.tool_length_m], franka.HAND, parts.TOOL_RGBA, mass=0.05
        )
        hole = parts.add_fixture(spec, self.fixture_body)
        inner = half + self.config.clearance_m
        outer = inner + _WALL_M
        for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1)):
            reach = outer if y == 0 else inner + self.config.chamfer_m
            parts.add_wall(
                hole,
                inner=(x * inner, y * inner),
                direction=(x, y),
                span=(-reach, reach),
                thickness_m=_WALL_M,
                bottom_m=-_HOLE_DEPTH_M,
                chamfer_m=self.config.chamfer_m,
            )
        parts.add_box(
            hole,
            [-outer, -outer, -self.fixture_height_m],
            [outer, outer, -_HOLE_DEPTH_M],
            franka.ENVIRONMENT,
            parts.FIXTURE_RGBA,
        )
