"""The simulated robot: its numbers, kinematics, gravity compensation and gripper, what it touches and shows."""

import os
import sys

os.environ.setdefault("MUJOCO_GL", "egl")

from types import SimpleNamespace

import mujoco
import numpy as np
import pytest

from robot_rl.errors import SetupError
from robot_rl.sim import franka, visuals
from robot_rl.sim.workcell import SIDE_CAMERA_NAME, WRIST_CAMERA_NAME, make_workcell_spec

# Craig's DH parameters of the FER and FR3: a [m], d [m], alpha [rad]; the last row is the flange.
DH = [
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -np.pi / 2),
    (0.0, 0.316, np.pi / 2),
    (0.0825, 0.0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0.0, 0.0, np.pi / 2),
    (0.088, 0.0, np.pi / 2),
    (0.0, 0.107, 0.0),
]


def dh_tcp(joints):
    """T_base_tcp (4, 4) from the DH table and the hand's mounting, written without MuJoCo."""
    transform = np.eye(4)
    for (a, d, alpha), theta in zip(DH, [*joints, 0.0], strict=True):
        ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        transform = transform @ np.array(
            [[ct, -st, 0, a], [st * ca, ct * ca, -sa, -d * sa], [st * sa, ct * sa, ca, d * ca], [0, 0, 0, 1]]
        )
    c = np.sqrt(0.5)
    return transform @ np.array([[c, c, 0, 0], [-c, c, 0, 0], [0, 0, 1, 0.1034], [0, 0, 0, 1]])


def random_joints(count, seed=0):
    return np.random.default_rng(seed).uniform(franka.JOINT_LOWER, franka.JOINT_UPPER, (count, 7))


@pytest.fixture(scope="module")
def model():
    return franka.make_franka_spec().compile()


@pytest.fixture(scope="module")
def workcell():
    return make_workcell_spec().compile()


# ---- numbers and names


def test_options_are_those_of_the_real_controller(model):
    assert model.opt.timestep == franka.TIMESTEP_S == 0.001
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    assert model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC


def test_joints_come_first_with_the_published_limits(model):
    assert tuple(model.joint(i).name for i in range(7)) == franka.JOINT_NAMES
    np.testing.assert_array_equal(model.jnt_range[:7], np.stack([franka.JOINT_LOWER, franka.JOINT_UPPER], 1))
    assert model.jnt_range[3].tolist() == [-3.0770, -0.1169]
    assert model.jnt_range[5].tolist() == [0.4398, 4.6216]
    assert model.jnt_limited.all()


def test_motors_are_named_as_the_joints_and_limited_to_87_and_12_nm(model):
    assert tuple(model.actuator(i).name for i in range(8)) == (*franka.JOINT_NAMES, franka.GRIPPER_ACTUATOR_NAME)
    np.testing.assert_array_equal(model.actuator_ctrlrange[:7, 1], franka.TORQUE_LIMITS)
    np.testing.assert_array_equal(model.actuator_ctrlrange[:7, 0], -franka.TORQUE_LIMITS)
    assert franka.TORQUE_LIMITS.tolist() == [87.0] * 4 + [12.0] * 3


def test_a_motor_command_is_a_joint_torque(model):
    data = mujoco.MjData(model)
    franka.set_home(model, data)
    data.ctrl[:7] = [1, -2, 3, -4, 5, -6, 20]
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.qfrc_actuator[:7], [1, -2, 3, -4, 5, -6, 12])


def test_friction_damping_and_armature(model):
    np.testing.assert_array_equal(model.dof_damping[:7], 0.21)
    np.testing.assert_array_equal(model.dof_armature[:7], [0.195] * 4 + [0.074] * 3)
    np.testing.assert_array_equal(model.dof_frictionloss[:7], [1.137] * 4 + [0.763, 0.44, 0.248])


def test_masses(model):
    masses = [model.body(name).mass[0] for name in franka.LINK_NAMES[1:]]
    np.testing.assert_allclose(masses, [2.92747, 2.93554, 2.2449, 2.6156, 2.32712, 1.81704, 0.627143])
    assert model.body(franka.HAND_BODY_NAME).mass[0] == 0.73
    assert [model.body(name).mass[0] for name in franka.FINGER_BODY_NAMES] == [0.015, 0.015]


def test_constants_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        franka.HOME_JOINTS[0] = 1.0


# ---- kinematics and dynamics


@pytest.mark.parametrize("joints", [franka.HOME_JOINTS, *random_joints(20)])
def test_tcp_agrees_with_the_dh_table(model, joints):
    data = mujoco.MjData(model)
    franka.set_joints(model, data, joints)
    mujoco.mj_kinematics(model, data)
    expected = dh_tcp(joints)
    site = data.site(franka.TCP_SITE_NAME)
    np.testing.assert_allclose(site.xpos, expected[:3, 3], atol=1e-9)
    np.testing.assert_allclose(site.xmat.reshape(3, 3), expected[:3, :3], atol=1e-9)


def test_the_tool_points_straight_down_at_home(model):
    data = mujoco.MjData(model)
    franka.set_home(model, data)
    site = data.site(franka.TCP_SITE_NAME)
    np.testing.assert_allclose(site.xmat.reshape(3, 3), np.diag([1.0, -1.0, -1.0]), atol=1e-12)
    # By hand: upper arm and forearm at 45 degrees, then 0.088 out and 0.107 + 0.1034 down.
    s = np.sqrt(0.5)
    elbow = np.array([-0.316 * s + 0.0825 * s, 0.333 + 0.316 * s + 0.0825 * s])
    wrist = elbow + np.array([0.384, 0.0825])
    np.testing.assert_allclose(site.xpos, [wrist[0] + 0.088, 0.0, wrist[1] - 0.2104], atol=1e-12)


@pytest.mark.parametrize("joints", [franka.HOME_JOINTS, *random_joints(3, seed=1)])
def test_without_torque_and_friction_the_arm_stays_where_it_is(joints):
    model = franka.make_franka_spec().compile()
    model.dof_frictionloss[:], model.dof_damping[:7] = 0.0, 0.0
    data = mujoco.MjData(model)
    franka.set_home(model, data)
    franka.set_joints(model, data, 0.98 * joints + 0.02 * franka.HOME_JOINTS)
    before = data.qpos.copy()
    for _ in range(1000):
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(data.qpos, before, atol=1e-9)


def test_the_compensated_gravity_is_not_small(model):
    """Otherwise the test above would also pass in a world without gravity."""
    data = mujoco.MjData(model)
    franka.set_home(model, data)
    assert np.abs(data.qfrc_gravcomp[:7]).max() > 10.0
    np.testing.assert_allclose(data.qfrc_gravcomp, data.qfrc_bias, atol=1e-9)


# ---- collisions


def test_the_robot_does_not_touch_itself(model):
    data = mujoco.MjData(model)
    for joints in random_joints(100, seed=2):
        franka.set_joints(model, data, joints)
        mujoco.mj_forward(model, data)
        assert data.ncon == 0


@pytest.mark.parametrize(
    ("a", "b", "is_touching"),
    [
        (franka.ENVIRONMENT, franka.LINK, True),
        (franka.ENVIRONMENT, franka.HAND, True),
        (franka.ENVIRONMENT, franka.OBJECT, True),
        (franka.HAND, franka.OBJECT, True),
        (franka.OBJECT, franka.OBJECT, True),
        (franka.LINK, franka.LINK, False),
        (franka.LINK, franka.HAND, False),
        (franka.LINK, franka.OBJECT, False),
        (franka.HAND, franka.HAND, False),
        (franka.NO_COLLISION, franka.OBJECT, False),
    ],
)
def test_collision_classes(a, b, is_touching):
    spec = mujoco.MjSpec()
    for bits in (a, b):
        body = spec.worldbody.add_body()
        body.add_freejoint()
        franka.set_collision(body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.1, 0, 0]), bits)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert (data.ncon > 0) == is_touching


def test_the_models_geoms_have_the_documented_classes(workcell):
    def bits(name):
        return (int(workcell.geom(name).contype[0]), int(workcell.geom(name).conaffinity[0]))

    assert bits("table") == bits("floor") == franka.ENVIRONMENT
    assert {bits(f"{finger}_pad") for finger in franka.FINGER_BODY_NAMES} == {franka.HAND}
    groups = workcell.geom_group
    assert (workcell.geom_contype[groups == franka.VISUAL_GROUP] == 0).all()
    link7 = workcell.body("fr3_link7").id
    links = (groups == franka.COLLISION_GROUP) & (workcell.geom_bodyid <= link7)
    assert links.sum() >= 8
    assert {(2, 1)} == set(zip(workcell.geom_contype[links], workcell.geom_conaffinity[links], strict=True))


def test_the_robot_at_home_touches_nothing(workcell):
    data = mujoco.MjData(workcell)
    franka.set_home(workcell, data)
    assert data.ncon == 0


# ---- gripper


def grasp_spec(half_size_m=0.02, mass_kg=0.1):
    spec = make_workcell_spec()
    cube = spec.worldbody.add_body(name="cube", gravcomp=1.0)
    cube.add_freejoint(name="cube")
    geom = cube.add_geom(name="cube", type=mujoco.mjtGeom.mjGEOM_BOX, size=[half_size_m] * 3, mass=mass_kg)
    franka.set_collision(geom, franka.OBJECT)
    return spec


def step_for(model, data, seconds):
    for _ in range(round(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)


def width(data):
    return float(data.tendon(franka.GRIPPER_TENDON_NAME).length[0])


@pytest.mark.parametrize("target_m", [0.08, 0.05, 0.016, 0.0])
def test_the_fingers_go_to_the_commanded_width_together(model, target_m):
    data = mujoco.MjData(model)
    franka.set_home(model, data, width_m=0.04)
    data.ctrl[7] = target_m
    step_for(model, data, 1.2)
    fingers = [data.joint(name).qpos[0] for name in franka.FINGER_JOINT_NAMES]
    np.testing.assert_allclose(fingers, 0.5 * target_m, atol=2e-4)
    pads = [data.geom(f"{finger}_pad").xpos for finger in franka.FINGER_BODY_NAMES]
    assert np.linalg.norm(pads[0] - pads[1]) == pytest.approx(target_m + 2 * 0.004, abs=3e-4)


def test_the_fingers_close_at_a_tenth_of_a_metre_per_second(model):
    data = mujoco.MjData(model)
    franka.set_home(model, data)
    data.ctrl[7] = 0.0
    step_for(model, data, 0.1)
    start = width(data)
    step_for(model, data, 0.4)
    assert (start - width(data)) / 0.4 == pytest.approx(0.1, rel=0.05)


def test_the_fingers_hold_a_cube_against_gravity_with_35_n_each():
    model = grasp_spec().compile()
    data = mujoco.MjData(model)
    franka.set_home(model, data)
    cube = data.joint("cube")
    cube.qpos[:3] = data.site(franka.TCP_SITE_NAME).xpos
    data.ctrl[7] = 0.0
    step_for(model, data, 1.0)
    assert width(data) == pytest.approx(0.04, abs=1e-3)
    force = np.zeros(6)
    sides = dict.fromkeys(franka.FINGER_BODY_NAMES, 0.0)
    for i in range(data.ncon):
        mujoco.mj_contactForce(model, data, i, force)
        names = {model.body(model.geom_bodyid[g]).name for g in data.contact[i].geom}
        assert "cube" in names, names
        sides[(names - {"cube"}).pop()] += force[0]
    np.testing.assert_allclose(list(sides.values()), 35.0, rtol=0.02)

    model.body_gravcomp[model.body("cube").id] = 0.0  # let go of what held it until now
    offset = cube.qpos[:3] - data.site(franka.TCP_SITE_NAME).xpos
    step_for(model, data, 2.0)
    slip = cube.qpos[:3] - data.site(franka.TCP_SITE_NAME).xpos - offset
    assert np.linalg.norm(slip) < 1e-3
    assert np.linalg.norm(cube.qvel) < 1e-2


def test_an_object_that_nobody_holds_falls():
    """Otherwise the test above would also pass with a cube that floats."""
    model = grasp_spec().compile()
    model.body_gravcomp[model.body("cube").id] = 0.0
    data = mujoco.MjData(model)
    franka.set_home(model, data)
    data.joint("cube").qpos[:3] = data.site(franka.TCP_SITE_NAME).xpos
    step_for(model, data, 0.2)
    assert data.joint("cube").qvel[2] == pytest.approx(-9.81 * 0.2, rel=0.02)


# ---- cameras and looks


@pytest.mark.parametrize("camera", [WRIST_CAMERA_NAME, SIDE_CAMERA_NAME])
def test_a_camera_gives_a_picture_with_something_in_it(workcell, camera):
    data = mujoco.MjData(workcell)
    franka.set_home(workcell, data)
    with mujoco.Renderer(workcell, 128, 128) as renderer:
        renderer.update_scene(data, camera)
        image = renderer.render()
    assert image.shape == (128, 128, 3)
    assert image.std(axis=(0, 1)).max() > 10
    assert 40 < image.mean() < 230


@pytest.mark.parametrize("depth_m", [0.10, 0.12, 0.14, 0.16])
def test_nothing_stands_between_the_wrist_camera_and_what_is_below_the_hand(workcell, depth_m):
    data = mujoco.MjData(workcell)
    franka.set_home(workcell, data, width_m=0.016)
    camera = data.camera(WRIST_CAMERA_NAME)
    hand = data.body(franka.HAND_BODY_NAME)
    point = hand.xpos + hand.xmat.reshape(3, 3) @ [0.0, 0.0, depth_m]
    ray = point - camera.xpos
    in_camera = camera.xmat.reshape(3, 3).T @ ray
    half_view = np.tan(np.radians(workcell.camera(WRIST_CAMERA_NAME).fovy[0] / 2))
    assert (np.abs(in_camera[:2]) < 0.9 * half_view * -in_camera[2]).all()
    seen = np.array([1, 1, 1, 0, 0, 0], dtype=np.uint8)
    hit = mujoco.mj_ray(workcell, data, camera.xpos, ray, seen, True, -1, np.zeros(1, dtype=np.int32))
    assert hit < 0 or hit >= 0.99


def test_shadows_and_reflections_are_off(workcell):
    assert not workcell.light_castshadow.any()
    assert not workcell.mat_reflectance.any()
    assert workcell.vis.quality.shadowsize == 0


# ---- optional meshes

TETRAHEDRON = "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


def fake_menagerie(root, is_cached=True):
    """A package like mujoco-menagerie whose models are one tetrahedron per body; asking for a path must be allowed."""
    bodies = {"franka_fr3": list(franka.LINK_NAMES), "franka_emika_panda": ["hand", "left_finger", "right_finger"]}
    for robot, names in bodies.items():
        (root / robot).mkdir()
        (root / robot / "shape.obj").write_text(TETRAHEDRON)
        geoms = '<geom type="mesh" mesh="shape" contype="0" conaffinity="0"/><geom type="mesh" mesh="shape"/>'
        body = "".join(f'<body name="{name}">{geoms}</body>' for name in names)
        xml = f'<mujoco><asset><mesh file="shape.obj"/></asset><worldbody>{body}</worldbody></mujoco>'
        (root / robot / "model.xml").write_text(xml)

    def path(robot):
        assert is_cached, "asked for the path of an absent model: that would download it"
        return root / robot

    return SimpleNamespace(
        get=lambda name: SimpleNamespace(
            path=lambda cache: path(name), entry=lambda entry: SimpleNamespace(file="model.xml")
        ),
        Cache=lambda: SimpleNamespace(root=None, is_cached=lambda robot: is_cached),
    )


def test_without_the_mesh_package_the_robot_keeps_its_primitives(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    assert not visuals.has_visual_meshes()
    spec = franka.make_franka_spec()
    before = len(spec.geoms)
    with pytest.raises(SetupError, match="mujoco-menagerie"):
        visuals.use_visual_meshes(spec)
    assert len(spec.geoms) == before
    assert spec.compile().nmesh == 0


def test_meshes_that_are_not_on_this_machine_are_not_downloaded(monkeypatch, tmp_path):
    package = fake_menagerie(tmp_path, is_cached=False)
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", package)
    assert not visuals.has_visual_meshes()


def test_meshes_replace_what_is_seen_and_nothing_else(monkeypatch, tmp_path, workcell):
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", fake_menagerie(tmp_path))
    assert visuals.has_visual_meshes()
    spec = make_workcell_spec()
    visuals.use_visual_meshes(spec)
    dressed = spec.compile()
    is_mesh = dressed.geom_type == mujoco.mjtGeom.mjGEOM_MESH
    assert is_mesh.sum() == 8 + 3
    assert (dressed.geom_contype[is_mesh] == 0).all()
    assert (dressed.geom_group[is_mesh] == franka.VISUAL_GROUP).all()
    np.testing.assert_array_equal(dressed.body_mass, workcell.body_mass)
    np.testing.assert_array_equal(dressed.body_inertia, workcell.body_inertia)
    collision = franka.COLLISION_GROUP
    assert (dressed.geom_group == collision).sum() == (workcell.geom_group == collision).sum()
