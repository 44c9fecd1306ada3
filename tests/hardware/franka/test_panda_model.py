"""The Panda's own kinematics and dynamics, against MuJoCo's of the simulated Panda."""

from types import SimpleNamespace

import mujoco
import numpy as np
import pytest
from robot_rl_hardware.fci_sim.panda_body import make_panda
from robot_rl_hardware.fci_sim.settings import hand_inertial, to_transform
from robot_rl_hardware.franka.axes import turn_jacobian
from robot_rl_hardware.franka.panda_model import PandaModel, make_bodies
from robot_rl_hardware.franka.presets import presets_of

from robot_rl.sim import franka, urdf

LOAD_KG, LOAD_COM_M = 0.8, np.array([0.02, -0.01, 0.09])
LOAD_INERTIA = np.array([[0.002, 0.0003, -0.0001], [0.0003, 0.0015, 0.0002], [-0.0001, 0.0002, 0.001]])


def draw(seed):
    """Joint positions within the limits, and velocities."""
    generator = np.random.default_rng(seed)
    return generator.uniform(franka.JOINT_LOWER, franka.JOINT_UPPER), generator.uniform(-2.0, 2.0, 7)


def compute(model, joints, speeds, carried=None, flange_to_tool=None):
    """(Jacobian (6, 7), mass matrix (7, 7), Coriolis torques (7,)) with a body that the flange carries."""
    carried = carried or urdf.Inertial(0.0, np.zeros(3), np.zeros((3, 3)))
    tool = np.eye(4) if flange_to_tool is None else flange_to_tool
    state = SimpleNamespace(
        q=joints.tolist(),
        dq=speeds.tolist(),
        F_T_EE=tool.T.ravel().tolist(),
        m_total=carried.mass,
        F_x_Ctotal=carried.com.tolist(),
        I_total=carried.inertia.T.ravel().tolist(),
    )
    numbers, jacobian = np.zeros(56), np.zeros((7, 6))
    turn_jacobian(model.read(state, numbers), joints, jacobian)
    return jacobian.T, numbers[:49].reshape(7, 7).T, numbers[49:]


@pytest.fixture(scope="module")
def simulated():
    """The simulated Panda that holds a load, and its hand with the load as one body."""
    spec = franka.make_franka_spec()
    make_panda(spec)
    flange = spec.site(franka.FLANGE_SITE_NAME)
    load = spec.body(franka.LINK_NAMES[7]).add_body(name="load", pos=flange.pos, quat=flange.quat, gravcomp=1.0)
    load.mass, load.ipos, load.explicitinertial = LOAD_KG, LOAD_COM_M, True
    tensor = LOAD_INERTIA
    load.fullinertia = [*np.diag(tensor), tensor[0, 1], tensor[0, 2], tensor[1, 2]]
    model = spec.compile()
    parts = [(hand_inertial(model), np.eye(3), np.zeros(3))]
    parts.append((urdf.Inertial(LOAD_KG, LOAD_COM_M, LOAD_INERTIA), np.eye(3), np.zeros(3)))
    return model, urdf.lump(parts)


def flange_to_tool(model):
    flange, tool = model.site(franka.FLANGE_SITE_NAME), model.site(franka.TCP_SITE_NAME)
    hand = model.body(franka.HAND_BODY_NAME)
    in_link = to_transform(hand.pos, hand.quat) @ to_transform(tool.pos, tool.quat)
    return np.linalg.inv(to_transform(flange.pos, flange.quat)) @ in_link


@pytest.mark.parametrize("seed", range(5))
def test_they_are_those_of_the_physics(simulated, seed):
    model, carried = simulated
    joints, speeds = draw(seed)
    data = mujoco.MjData(model)
    franka.set_joints(model, data, joints)
    data.qvel[:7] = speeds
    mujoco.mj_forward(model, data)
    rows, full = np.zeros((6, model.nv)), np.zeros((model.nv, model.nv))
    mujoco.mj_jacSite(model, data, rows[:3], rows[3:], model.site(franka.TCP_SITE_NAME).id)
    mujoco.mj_fullM(model, data, full)
    own, tool = PandaModel(), flange_to_tool(model)
    compute(own, *draw(seed + 100), carried, tool)  # elsewhere before: there it finds the joints' axes
    jacobian, mass, coriolis = compute(own, joints, speeds, carried, tool)
    np.testing.assert_allclose(jacobian, rows[:, :7], atol=1e-14)
    np.testing.assert_allclose(mass, full[:7, :7] - np.diag(model.dof_armature[:7]), atol=1e-13)
    np.testing.assert_allclose(coriolis, (data.qfrc_bias - data.qfrc_gravcomp)[:7], atol=1e-12)
    assert np.abs(coriolis).max() > 0.5, "nothing that could differ"


def test_the_jacobian_is_the_derivative_of_where_the_flange_is():
    """By hand at q = 0: the arm stands upright, its flange 0.088 m in front of the base, upside down at 0.926 m."""
    jacobian, _, _ = compute(PandaModel(), np.zeros(7), np.zeros(7))
    np.testing.assert_allclose(jacobian[:, 0], [0.0, 0.088, 0.0, 0.0, 0.0, 1.0], atol=1e-15)
    height = 0.333 + 0.316 + 0.384 - 0.107
    np.testing.assert_allclose(jacobian[:, 1], [height - 0.333, 0.0, -0.088, 0.0, 1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(jacobian[:, 6], [0.0, 0.0, 0.0, 0.0, 0.0, -1.0], atol=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_coriolis_torques_do_to_the_energy_is_the_masses_doing(seed):
    """dq . (dM/dt / 2) dq = dq . C(q, dq) dq: the arm alone neither gains nor loses energy."""
    model, step_s = PandaModel(), 1e-6
    joints, speeds = draw(seed)
    before, after = (compute(model, joints + sign * step_s * speeds, speeds)[1] for sign in (-1, 1))
    power = 0.5 * speeds @ ((after - before) / (2.0 * step_s)) @ speeds
    assert power == pytest.approx(speeds @ compute(model, joints, speeds)[2], abs=1e-7)


def test_every_link_is_a_body_that_can_exist():
    for row in make_bodies():
        inertia = row[4:].reshape(3, 3)
        np.testing.assert_array_equal(inertia, inertia.T)
        moments = np.linalg.eigvalsh(inertia)
        assert row[0] > 0.0
        assert moments[0] > 0.0
        assert moments[2] < moments[0] + moments[1]
    assert make_bodies()[:, 0].sum() == pytest.approx(16.06, abs=0.01)


def test_its_presets_have_its_own_joints():
    panda, fr3 = presets_of("panda")["insertion"], presets_of("fr3")["insertion"]
    assert (panda.joint_lower_rad[5], panda.joint_upper_rad[5]) == (-0.0175, 3.7525)
    assert (fr3.joint_lower_rad[5], fr3.joint_upper_rad[5]) == (0.4398, 4.6216)
    assert panda.stiffness == fr3.stiffness
