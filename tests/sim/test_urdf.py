"""The generated URDF: the same robot as the simulated one, in the form that libfranka accepts."""

from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest

from robot_rl.errors import UnknownNameError
from robot_rl.sim import franka
from robot_rl.sim.urdf import Inertial, lump, roll_pitch_yaw, to_urdf
from robot_rl.sim.workcell import make_workcell_spec


@pytest.fixture(scope="module")
def model():
    return franka.make_franka_spec().compile()


@pytest.fixture(scope="module")
def robot(model):
    return ElementTree.fromstring(to_urdf(model))


@pytest.fixture(scope="module")
def joints(robot):
    return {joint.get("name"): joint for joint in robot.findall("joint")}


def reload(urdf):
    # Keep massless links and fixed joints, so that the flange and the TCP can be looked up.
    return mujoco.MjModel.from_xml_string(
        urdf.replace("<link", '<mujoco><compiler fusestatic="false"/></mujoco><link', 1)
    )


def mass_matrix(model, data):
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    return full - np.diag(model.dof_armature)


def random_states(count):
    rng = np.random.default_rng(3)
    for _ in range(count):
        yield rng.uniform(franka.JOINT_LOWER, franka.JOINT_UPPER), rng.normal(size=7)


# ---- what libfranka asks for


def test_the_root_is_a_robot_and_not_a_mobile_one(robot):
    assert robot.tag == "robot"
    assert not robot.get("name").startswith("tmr")


def test_exactly_seven_joints_move(joints):
    movable = [name for name, joint in joints.items() if joint.get("type") != "fixed"]
    assert movable == [f"fr3_joint{i}" for i in range(1, 8)]
    assert {joints[name].get("type") for name in movable} == {"revolute"}


@pytest.mark.parametrize("index", range(7))
def test_each_joint_has_its_limits(joints, index):
    limit = joints[f"fr3_joint{index + 1}"].find("limit").attrib
    assert {name: float(value) for name, value in limit.items()} == {
        "lower": franka.JOINT_LOWER[index],
        "upper": franka.JOINT_UPPER[index],
        "velocity": [2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26][index],
        "effort": [87, 87, 87, 87, 12, 12, 12][index],
    }


@pytest.mark.parametrize("index", range(7))
def test_each_joint_has_its_position_based_velocity_limits(joints, index):
    limit = joints[f"fr3_joint{index + 1}"].find("position_based_velocity_limits").attrib
    assert {name: float(value) for name, value in limit.items()} == {
        "velocity_offset": [0.6599, 0.2517, 0.2000, 0.3533, 0.5757, 0.4878, 0.4628][index],
        "deceleration_limit": [6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0][index],
    }


def test_the_flange_is_the_link_named_link8(robot, joints):
    assert [link.get("name") for link in robot.findall("link")].count("link8") == 1
    mount = joints["fr3_joint8"]
    assert mount.get("type") == "fixed"
    assert (mount.find("parent").get("link"), mount.find("child").get("link")) == ("fr3_link7", "link8")
    assert [float(x) for x in mount.find("origin").get("xyz").split()] == [0.0, 0.0, 0.107]
    assert [float(x) for x in mount.find("origin").get("rpy").split()] == [0.0, 0.0, 0.0]


def test_the_links_form_one_chain_from_the_base(robot, joints):
    parent = {joint.find("child").get("link"): joint.find("parent").get("link") for joint in joints.values()}
    link, chain = "fr3_hand_tcp", ["fr3_hand_tcp"]
    while link in parent:
        link = parent[link]
        chain.append(link)
    assert chain[::-1] == [*franka.LINK_NAMES, "link8", "fr3_hand", "fr3_hand_tcp"]
    assert len(chain) == len(robot.findall("link"))


# ---- the same robot


def test_the_reloaded_robot_has_the_same_kinematics(model):
    again = reload(to_urdf(model))
    data, data_again = mujoco.MjData(model), mujoco.MjData(again)
    for joints, _ in random_states(20):
        franka.set_joints(model, data, joints)
        data_again.qpos[:] = joints
        mujoco.mj_kinematics(model, data)
        mujoco.mj_kinematics(again, data_again)
        for site, body in ((franka.TCP_SITE_NAME, "fr3_hand_tcp"), (franka.FLANGE_SITE_NAME, "link8")):
            np.testing.assert_allclose(data_again.body(body).xpos, data.site(site).xpos, atol=1e-9)
            np.testing.assert_allclose(data_again.body(body).xmat, data.site(site).xmat, atol=1e-9)


@pytest.mark.parametrize("finger_joint_m", [0.0, 0.03])
def test_the_reloaded_robot_has_the_same_dynamics(model, finger_joint_m):
    again = reload(to_urdf(model, finger_joint_m=finger_joint_m))
    assert again.nv == 7
    data, data_again = mujoco.MjData(model), mujoco.MjData(again)
    for joints, velocities in random_states(20):
        franka.set_home(model, data, width_m=2 * finger_joint_m)
        franka.set_joints(model, data, joints)
        data.qvel[:7] = data_again.qvel[:] = velocities
        data_again.qpos[:] = joints
        mujoco.mj_forward(model, data)
        mujoco.mj_forward(again, data_again)
        np.testing.assert_allclose(mass_matrix(again, data_again), mass_matrix(model, data)[:7, :7], atol=1e-9)
        np.testing.assert_allclose(data_again.qfrc_bias, data.qfrc_bias[:7], atol=1e-9)
        gravity = data.qfrc_gravcomp[:7].copy()
        data_again.qvel[:] = 0.0
        mujoco.mj_forward(again, data_again)
        np.testing.assert_allclose(data_again.qfrc_bias, gravity, atol=1e-9)


def test_a_scene_around_the_robot_changes_nothing(model):
    assert to_urdf(make_workcell_spec().compile()) == to_urdf(model)


def test_without_hand_the_chain_ends_at_the_flange(model):
    robot = ElementTree.fromstring(to_urdf(model, has_hand=False))
    assert [link.get("name") for link in robot.findall("link")] == [*franka.LINK_NAMES, "link8"]
    masses = [float(mass.get("value")) for mass in robot.iter("mass")]
    assert sum(masses) == pytest.approx(sum(model.body(name).mass[0] for name in franka.LINK_NAMES))


def test_a_model_without_the_robot_is_refused():
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><body name='box'/></worldbody></mujoco>")
    with pytest.raises(UnknownNameError, match=r"fr3_link0.*box"):
        to_urdf(model)


# ---- hand-computed numbers


def test_two_points_lump_into_a_dumbbell():
    point = Inertial(2.0, np.zeros(3), np.zeros((3, 3)))
    whole = lump([(point, np.eye(3), np.array([1.0, 0, 0])), (point, np.eye(3), np.array([3.0, 0, 0]))])
    assert whole.mass == 4.0
    np.testing.assert_allclose(whole.com, [2, 0, 0])
    np.testing.assert_allclose(whole.inertia, np.diag([0, 4, 4]))


def test_a_turned_part_turns_its_inertia():
    part = Inertial(1.0, np.array([1.0, 0, 0]), np.diag([1.0, 2.0, 3.0]))
    quarter_turn_z = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    whole = lump([(part, quarter_turn_z, np.zeros(3))])
    np.testing.assert_allclose(whole.com, [0, 1, 0])
    np.testing.assert_allclose(whole.inertia, np.diag([2, 1, 3]))


def test_roll_pitch_yaw_rebuilds_the_rotation():
    def about(axis, angle):
        c, s = np.cos(angle), np.sin(angle)
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        out = np.eye(3)
        out[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
        return out

    for angles in np.random.default_rng(0).uniform(-1.5, 1.5, (20, 3)):
        rotation = about(2, angles[2]) @ about(1, angles[1]) @ about(0, angles[0])
        np.testing.assert_allclose(roll_pitch_yaw(rotation), angles, atol=1e-12)
