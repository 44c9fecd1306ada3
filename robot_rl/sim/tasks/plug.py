"""Plug in socket: a keyed connector that must be pushed home against a latch."""

from __future__ import annotations

from typing import ClassVar

import mujoco
import numpy as np

from robot_rl.sim import franka
from robot_rl.sim.tasks import parts
from robot_rl.sim.tasks.insertion import InsertionTask

_HALF_X_M, _HALF_Y_M = 0.009, 0.005
"""Half sizes of the shell's cross-section."""
_KEY_HALF_X_M, _KEY_M = 0.002, 0.002
"""Half width and height of the key, a rib on the shell's +y side."""
_HOME_M = 0.012
_LATCH_TRAVEL_M = 0.003
"""The latch resists over the last part of the way home."""
_LATCH_START_N, _LATCH_HOME_N = 7.0, 10.0
_WALL_M = 0.02
_SOCKET_HEIGHT_M = 0.03


class Plug(InsertionTask):
    """An 18 x 10 mm connector with a key goes 12 mm deep, the last 3 mm against a spring latch of 7 to 10 N."""

    name: ClassVar[str] = "plug"
    tool_length_m: ClassVar[float] = 0.035
    grasp_width_m: ClassVar[float] = 2 * _HALF_Y_M
    tool_body: ClassVar[str] = "plug"
    fixture_body: ClassVar[str] = "socket"
    fixture_height_m: ClassVar[float] = _SOCKET_HEIGHT_M
    success_depth_m: ClassVar[float] = _HOME_M - 0.0005

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Connector, socket and latch."""
        self._add_plug(spec)
        socket = parts.add_fixture(spec, self.fixture_body)
        self._add_walls(socket)
        self._add_latch(socket)

    def _add_plug(self, spec: mujoco.MjSpec) -> None:
        plug = parts.add_tool(spec, self.tool_body)
        tip = self.tool_length_m
        parts.add_box(
            plug,
            [-_HALF_X_M, -_HALF_Y_M, tip - 0.018],
            [_HALF_X_M, _HALF_Y_M, tip],
            franka.HAND,
            parts.TIP_RGBA,
            mass=0.01,
        )
        # The tool's y points against the fixture's: on the socket's side the key is at -y.
        parts.add_box(
            plug,
            [-_KEY_HALF_X_M, _HALF_Y_M, tip - 0.018],
            [_KEY_HALF_X_M, _HALF_Y_M + _KEY_M, tip],
            franka.HAND,
            parts.TOOL_RGBA,
            mass=0.002,
        )
        parts.add_box(
            plug, [-0.012, -0.008, -0.012], [0.012, 0.008, tip - 0.018], franka.HAND, parts.TOOL_RGBA, mass=0.03
        )

    def _add_walls(self, socket: mujoco.MjsBody) -> None:
        """Four walls; the one on the key's side is split by the key's slot, which has a back wall of its own."""
        clearance, chamfer = self.config.clearance_m, self.config.chamfer_m
        half_x, half_y, key = _HALF_X_M + clearance, _HALF_Y_M + clearance, _KEY_HALF_X_M + clearance
        side = half_x + chamfer
        back = half_y + _KEY_M
        slot = key + chamfer

        def wall(
            inner: tuple[float, float],
            direction: tuple[float, float],
            span: tuple[float, float],
            rim_span: tuple[float, float] | None = None,
            thickness_m: float = _WALL_M,
            bevel_m: float = chamfer,
        ) -> None:
            parts.add_wall(socket, inner, direction, span, thickness_m, -_SOCKET_HEIGHT_M, bevel_m, rim_span)

        wall((half_x, 0.0), (1.0, 0.0), (-back - _WALL_M, half_y + _WALL_M))
        wall((-half_x, 0.0), (-1.0, 0.0), (-half_y - _WALL_M, back + _WALL_M))
        wall((0.0, half_y), (0.0, 1.0), (-side, side))
        wall((0.0, -half_y), (0.0, -1.0), (-side, -key), (-side, -slot))
        wall((0.0, -half_y), (0.0, -1.0), (key, side), (slot, side))
        # The slot's flanks, and its back, which is not bevelled: the shell leads the key in that direction.
        wall((-key, -half_y), (-1.0, 0.0), (chamfer, _KEY_M), thickness_m=side - key)
        wall((key, -half_y), (1.0, 0.0), (-_KEY_M, -chamfer), thickness_m=side - key)
        wall((0.0, -back), (0.0, -1.0), (-side, side), bevel_m=0.0)

    def _add_latch(self, socket: mujoco.MjsBody) -> None:
        """A plate on a preloaded spring at the hole's bottom."""
        stiffness = (_LATCH_HOME_N - _LATCH_START_N) / _LATCH_TRAVEL_M
        plate = socket.add_body(name="latch", pos=[0.0, 0.0, -(_HOME_M - _LATCH_TRAVEL_M)], gravcomp=1.0)
        plate.add_joint(
            name="latch",
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=[0.0, 0.0, -1.0],
            range=[0.0, _LATCH_TRAVEL_M + 0.0005],
            limited=True,
            solref_limit=parts.PART_SOLREF,  # MuJoCo's soft default lets the preload push the plate 1.7 mm out
            stiffness=stiffness,
            springref=-_LATCH_START_N / stiffness,
            damping=10.0,
            armature=0.05,
        )
        half_x, half_y = _HALF_X_M - 0.001, _HALF_Y_M - 0.001
        parts.add_box(
            plate, [-half_x, -half_y, -0.004], [half_x, half_y, 0.0], franka.ENVIRONMENT, parts.BEVEL_RGBA, mass=0.01
        )

    def draw_parts(self, generator: np.random.Generator) -> None:
        """As for every insertion; the latch is out, also when the last episode ended with it pressed."""
        self.simulation.data.joint("latch").qpos[:] = 0.0
        self.simulation.data.joint("latch").qvel[:] = 0.0
        super().draw_parts(generator)

    def latch_force_n(self) -> float:
        """Force with which the latch pushes the connector out, by its spring [N]."""
        travel_m = float(self.simulation.data.joint("latch").qpos[0])
        stiffness = (_LATCH_HOME_N - _LATCH_START_N) / _LATCH_TRAVEL_M
        return float(_LATCH_START_N + stiffness * np.clip(travel_m, 0.0, None))
