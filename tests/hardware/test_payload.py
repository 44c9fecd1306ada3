"""What the hand holds is found again: from the formula with noise, and from the gravity of a mass in the physics."""

import json
from dataclasses import replace

import mujoco
import numpy as np
import pytest
import yaml
from robot_rl_hardware.calibration.payload import STANDARD_GRAVITY, fit
from robot_rl_hardware.calibration.readings import FRANKA_HAND, Load, Reading, Readings, capture, load

from robot_rl import cli
from robot_rl.clock import FakeClock
from robot_rl.errors import DeviceError, ExchangeError, SpecError
from robot_rl.geometry import Pose
from robot_rl.robot.fake import FakeArm
from robot_rl.sim import franka
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.workcell import make_workcell_spec

LOAD = Load(0.62, (0.012, -0.02, 0.15))
BIAS = np.array([1.5, -0.8, 2.0, 0.1, -0.05, 0.02])


def make_poses(count=12, seed=0, tilt_rad=0.7):
    """Tool down, tilted to all sides."""
    draw = np.random.default_rng(seed)
    down = Pose(np.array([0.5, 0.0, 0.4]), np.array([1.0, 0.0, 0.0, 0.0]))
    turns = [[*draw.uniform(-tilt_rad, tilt_rad, 2), draw.uniform(-1.5, 1.5)] for _ in range(count)]
    return [down @ Pose.from_rotation_vector(turn) for turn in turns]


def feel(pose, load=LOAD, noise_n=0.0, noise_nm=0.0, draw=None):
    """The wrench at the TCP by which a load is held up."""
    centre = (pose @ FRANKA_HAND.inverse()).transform_point(load.com_m)
    force = np.array([0.0, 0.0, load.kg * STANDARD_GRAVITY])
    torque = np.cross(centre - pose.position, force)
    wrench = np.concatenate([pose.rotation.T @ force, pose.rotation.T @ torque]) + BIAS
    if draw is not None:
        wrench = wrench + np.concatenate([draw.normal(0.0, noise_n, 3), draw.normal(0.0, noise_nm, 3)])
    return Reading(pose, wrench)


def test_without_noise_it_is_exact():
    result = fit([feel(pose) for pose in make_poses()], FRANKA_HAND, Load())
    assert result.load.kg == pytest.approx(LOAD.kg, abs=1e-12)
    np.testing.assert_allclose(result.load.com_m, LOAD.com_m, atol=1e-12)
    np.testing.assert_allclose(result.bias, BIAS, atol=1e-10)
    assert result.error_n < 1e-10


def test_a_kilogram_by_hand():
    """Tool down, 1 kg 0.1 m along the tool's x axis: it is pulled up with the weight, and turned about y."""
    down = Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
    beside = feel(down, Load(1.0, tuple(FRANKA_HAND.transform_point([0.1, 0.0, 0.0]))))
    np.testing.assert_allclose(beside.wrench - BIAS, [0.0, 0.0, -9.80665, 0.0, 0.980665, 0.0], atol=1e-12)


def test_noise_is_averaged_and_its_deviations_are_told():
    """Noise of 0.5 N and 0.05 Nm in each of 12 readings, 100 times."""
    poses, draw = make_poses(), np.random.default_rng(1)
    results = [fit([feel(p, LOAD, 0.5, 0.05, draw) for p in poses], FRANKA_HAND, Load()) for _ in range(100)]
    masses = np.array([result.load.kg for result in results])
    centres = np.array([result.load.com_m for result in results])
    mass_error = np.sqrt(np.mean((masses - LOAD.kg) ** 2))
    centre_error = np.sqrt(np.mean((centres - LOAD.com_m) ** 2, axis=0)).max()
    assert mass_error < 0.05
    assert centre_error < 0.01
    assert np.mean([result.load_kg_deviation for result in results]) == pytest.approx(mass_error, rel=0.3)


def test_what_the_robot_was_told_already_counts():
    known = Load(0.2, (0.0, 0.0, 0.1))
    total_kg = known.kg + LOAD.kg
    centre = (known.kg * np.array(known.com_m) + LOAD.kg * np.array(LOAD.com_m)) / total_kg
    result = fit([feel(pose) for pose in make_poses()], FRANKA_HAND, known)
    assert result.load.kg == pytest.approx(total_kg)
    np.testing.assert_allclose(result.load.com_m, centre, atol=1e-12)


def test_a_mass_in_the_physics_is_found():
    """The torques that a mass on the flange adds in MuJoCo, as the wrench that explains them."""
    plain, spec = Simulation(make_workcell_spec()), make_workcell_spec()
    flange = next(site for site in spec.sites if site.name == franka.FLANGE_SITE_NAME)
    site = mujoco.MjData(plain.model)
    mujoco.mj_forward(plain.model, site)
    offset = flange.parent.add_body(pos=flange.pos, quat=flange.quat)
    offset.add_body(mass=LOAD.kg, ipos=LOAD.com_m, inertia=[1e-6] * 3, explicitinertial=True)
    loaded = spec.compile()
    draw, readings = np.random.default_rng(3), []
    for _ in range(10):
        joints = franka.HOME_JOINTS + draw.uniform(-0.5, 0.5, 7)
        torque = gravity_torque(loaded, joints) - gravity_torque(plain.model, joints)
        data = mujoco.MjData(plain.model)
        data.qpos[:7] = joints
        mujoco.mj_forward(plain.model, data)
        tcp = plain.model.site(franka.TCP_SITE_NAME).id
        jacobian = np.zeros((6, plain.model.nv))
        mujoco.mj_jacSite(plain.model, data, jacobian[:3], jacobian[3:], tcp)
        wrench = np.linalg.lstsq(jacobian[:, :7].T, torque, rcond=None)[0]
        rotation = data.site_xmat[tcp].reshape(3, 3)
        axes = np.concatenate([rotation.T @ wrench[:3], rotation.T @ wrench[3:]])
        readings.append(Reading(Pose.from_matrix(rotation, data.site_xpos[tcp]), axes))
    result = fit(readings, FRANKA_HAND, Load())
    gravity = -plain.model.opt.gravity[2] / STANDARD_GRAVITY
    assert result.load.kg == pytest.approx(LOAD.kg * gravity, rel=1e-6)
    np.testing.assert_allclose(result.load.com_m, LOAD.com_m, atol=1e-6)
    assert result.error_n < 1e-6


def gravity_torque(model, joints):
    """Torques of the arm's joints that hold it up, without any compensation."""
    data = mujoco.MjData(model)
    data.qpos[:7] = joints
    mujoco.mj_forward(model, data)
    return data.qfrc_bias[:7].copy()


# ------------------------------------------------------------------------------------ what is refused


def test_too_few_readings_are_refused():
    with pytest.raises(SpecError, match="at least 6 readings, got 5"):
        fit([feel(pose) for pose in make_poses(5)], FRANKA_HAND, Load())


@pytest.mark.parametrize("turn", [[0.0, 0.0, 0.4], [0.02, 0.0, 0.0]], ids=["about the vertical", "too little"])
def test_too_similar_orientations_are_refused(turn):
    down = make_poses(1, tilt_rad=0.0)[0]
    poses = [down @ Pose.from_rotation_vector(np.array(turn) * k) for k in range(8)]
    with pytest.raises(SpecError, match="too similar"):
        fit([feel(pose) for pose in poses], FRANKA_HAND, Load())


def test_a_reading_that_was_touched_is_named():
    readings = [feel(pose) for pose in make_poses()]
    readings[4] = Reading(readings[4].tcp, readings[4].wrench + np.array([15.0, 0, 0, 0, 0, 0]))
    with pytest.raises(SpecError, match=r"do not agree: .* N on average, at most 2; reading 4 is off"):
        fit(readings, FRANKA_HAND, Load())


def test_a_wrench_of_the_other_sign_is_no_load():
    readings = [Reading(each.tcp, -each.wrench) for each in map(feel, make_poses())]
    with pytest.raises(SpecError, match=r"-0\.620 kg, which is no load"):
        fit(readings, FRANKA_HAND, Load())


# ------------------------------------------------------------------------------------ the file and the command


class Standing:
    """An arm whose wrench trembles."""

    def __init__(self, clock, pose, twist=(0.0,) * 6):
        self._arm, self._twist = FakeArm(clock, pose), np.array(twist)
        self._draw, self._wrench = np.random.default_rng(0), feel(pose).wrench

    def state(self):
        noise = self._draw.normal(0.0, 0.5, 6) * [1, 1, 1, 0.1, 0.1, 0.1]
        return replace(self._arm.state(), tcp_wrench=self._wrench + noise, tcp_twist_base=self._twist)


def test_from_an_arm_to_its_load(tmp_path, capsys):
    clock, readings, file = FakeClock(0), Readings(), tmp_path / "tool" / "readings.yaml"
    for pose in make_poses(8):
        capture(Standing(clock, pose), clock, readings, file)
    assert clock.now_ns() == 8_000_000_000, "each was averaged over a second"
    assert cli.main(["calibrate", "payload", str(file)]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    written = yaml.safe_load((file.parent / "payload.yaml").read_text())
    assert written["load_kg"] == printed["load_kg"] == pytest.approx(LOAD.kg, abs=0.03)
    np.testing.assert_allclose(written["load_com_m"], LOAD.com_m, atol=0.01)
    assert (written["readings"], written["date"].endswith("+00:00")) == (8, True)
    assert written["error_n"] < 0.3


def test_an_arm_that_moves_is_no_reading(tmp_path):
    clock, readings = FakeClock(0), Readings()
    arm = Standing(clock, make_poses(1)[0], (0.003, 0.004, 0, 0, 0, 0))
    with pytest.raises(DeviceError, match=r"moves at 5\.0 mm/s"):
        capture(arm, clock, readings, tmp_path / "readings.yaml")
    assert not readings.readings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("load_kg: 0.0", "has no 'readings'"),
        ("readings: [{quaternion: [1, 0, 0, 0]}]", "has no 'wrench'"),
        ("readings: [{quaternion: [1, 0, 0, 0], wrench: [1, 2]}]", "wrench must be 6 finite numbers"),
        ("readings: [{quaternion: [0, 0, 0, 0], wrench: [1, 2, 3, 4, 5, 6]}]", "quaternion must not be zero"),
        ("readings: [{quaternion: [1, 0, 0, .nan], wrench: [1, 2, 3, 4, 5, 6]}]", "quaternion must be 4 finite"),
        ("load_kg: heavy\nreadings: []", "heavy"),
        ("readings:", "readings must be a list, got None"),
        ("- 1", "readings.yaml: "),
    ],
)
def test_a_file_that_makes_no_sense_is_answered_in_one_line(tmp_path, capsys, text, message):
    file = tmp_path / "readings.yaml"
    file.write_text(text)
    with pytest.raises(ExchangeError, match=message):
        load(file)
    assert cli.main(["calibrate", "payload", str(file)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_result_that_cannot_be_written_is_told_in_one_line(tmp_path, capsys):
    clock, readings, file = FakeClock(0), Readings(), tmp_path / "readings.yaml"
    for pose in make_poses(8):
        capture(Standing(clock, pose), clock, readings, file)
    assert cli.main(["calibrate", "payload", str(file), "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"cannot write {tmp_path}" in line


def test_a_file_that_is_missing_is_refused(tmp_path, capsys):
    assert cli.main(["calibrate", "payload", str(tmp_path / "none.yaml")]) == 2
    assert "is missing" in capsys.readouterr().err
