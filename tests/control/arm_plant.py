"""A seven-joint arm in MuJoCo with the FR3's kinematics and inertias, without gravity (the robot compensates it)."""

from __future__ import annotations

import mujoco
import numpy as np

from robot_rl.control.law import ImpedanceLaw
from robot_rl.geometry import Array, Pose

HOME = np.array([0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4])
# position in the parent [m], turn about x [deg], mass [kg], centre of mass [m], its axes (w x y z), inertia [kg m^2]
_LINKS = [
    ("0 0 .333", 0, "2.92747", "4e-7 -.0181251 -.0386036", ".998098 -.0605364 .00380499 .0110109",
     ".0239286 .0227246 .00610634"),
    ("0 0 0", -90, "2.93554", ".00318289 -.0743222 .00881461", ".502599 .584437 -.465998 .434366",
     ".0629567 .0411924 .0246371"),
    ("0 -.316 0", 90, "2.2449", ".0407016 -.00482006 -.0289731", ".921025 -.244161 .155272 .260745",
     ".0267409 .0189869 .0171587"),
    (".0825 0 0", 90, "2.6156", "-.0459101 .0630493 -.00851879", ".438018 .803311 .00937812 .403414",
     ".05139 .0372717 .0160047"),
    ("-.0825 .384 0", -90, "2.32712", "-.00160396 .0292536 -.0972966", ".919031 .125604 .0751531 -.366003",
     ".0579335 .0449144 .0130634"),
    ("0 0 0", 90, "1.81704", ".0597131 -.0410295 -.0101693", ".621301 .552665 .510011 .220081",
     ".0175039 .0161123 .00193529"),
    (".088 0 0", 90, "1.35714", "0 0 .05", "1 0 0 0", ".006 .006 .002"),
]  # fmt: skip
COULOMB_NM = (1.137, 1.137, 1.137, 1.137, 0.763, 0.44, 0.248)


def make_model(has_friction: bool, wall_x_m: float | None = None) -> mujoco.MjModel:
    """The arm; with a wall whose face is the plane x = `wall_x_m`, which a ball of 5 mm at the TCP touches."""
    body, tail = "", ""
    for i, (position, turn, mass, centre, axes, inertia) in enumerate(_LINKS):
        friction = COULOMB_NM[i] if has_friction else 0.0
        body += (
            f'<body pos="{position}" euler="{turn} 0 0"><inertial mass="{mass}" pos="{centre}" quat="{axes}"'
            f' diaginertia="{inertia}"/><joint name="j{i}" axis="0 0 1" damping="{0.21 if has_friction else 0.0}"'
            f' armature="{0.195 if i < 4 else 0.074}" frictionloss="{friction}"/>'
        )
        tail += "</body>"
    tip = '<site name="tcp" pos="0 0 .2104" euler="0 0 -45"/>'
    if wall_x_m is not None:
        tip += '<geom type="sphere" size=".005" pos="0 0 .2104" mass="0" friction="1e-5 0 0" condim="1"/>'
        tail += f'<geom type="box" size=".1 1 1" pos="{wall_x_m + 0.1} 0 .5" condim="1" friction="1e-5 0 0"/>'
    actuators = "".join(f'<motor joint="j{i}"/>' for i in range(7))
    return mujoco.MjModel.from_xml_string(
        f'<mujoco><compiler angle="degree"/><option timestep=".001" gravity="0 0 0" integrator="implicitfast"/>'
        f"<worldbody>{body}{tip}{tail}</worldbody><actuator>{actuators}</actuator></mujoco>"
    )


class ArmPlant:
    """The arm under an impedance law, stepped at 1 kHz."""

    def __init__(self, law: ImpedanceLaw, has_friction: bool = False, wall_x_m: float | None = None) -> None:
        self.law = law
        self.model = make_model(has_friction, wall_x_m)
        self.data = mujoco.MjData(self.model)
        self.data.qpos[:] = HOME
        self.torque = np.zeros(7)
        mujoco.mj_forward(self.model, self.data)
        law.start(self.data.qpos, self.pose)

    @property
    def pose(self) -> Pose:
        """T_base_tcp."""
        return Pose.from_matrix(self.data.site_xmat[0].reshape(3, 3), self.data.site_xpos[0])

    def measure(self) -> tuple[Array, ...]:
        """First eight arguments of the law's tick."""
        jacobian, mass = np.zeros((6, 7)), np.zeros((7, 7))
        mujoco.mj_jacSite(self.model, self.data, jacobian[:3], jacobian[3:], 0)
        mujoco.mj_fullM(self.model, self.data, mass)
        return (
            self.data.qpos.copy(), self.data.qvel.copy(), self.data.site_xpos[0].copy(),
            self.data.site_xmat[0].reshape(3, 3).copy(), jacobian, mass, self.data.qfrc_bias.copy(), self.torque,
        )  # fmt: skip

    def step(self, ticks: int = 1) -> None:
        """Advance by milliseconds."""
        for _ in range(ticks):
            mujoco.mj_forward(self.model, self.data)
            self.torque = self.law.torque(*self.measure())
            self.data.ctrl[:] = self.torque
            mujoco.mj_step(self.model, self.data)
