"""Named parameter sets of the impedance law."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from robot_rl.control import records
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.geometry import Array

Six = tuple[float, float, float, float, float, float]
Seven = tuple[float, float, float, float, float, float, float]

_MODES: Final[dict[str, dict[str, int]]] = {
    "shaping_mode": {"interpolate": records.SHAPING_INTERPOLATE, "filter": records.SHAPING_FILTER},
    "rotation_error_mode": {"log": records.ROTATION_LOG, "quaternion": records.ROTATION_QUATERNION},
    "compliance_axes": {"base": records.AXES_BASE, "tcp": records.AXES_TCP},
    "damping_mode": {"ratio": records.DAMPING_RATIO, "explicit": records.DAMPING_EXPLICIT},
    "null_mode": {"dynamic": records.NULL_DYNAMIC, "kinematic": records.NULL_KINEMATIC},
}
_MAY_BE_INFINITE = ("_upper", "_lower", "_upper_m", "_lower_m", "_m_s", "_rad_s", "_limit_nm", "_step_nm", "max_speed")
_MAY_BE_NEGATIVE = ("box_", "clip_lower", "feed_forward", "null_posture", "joint_lower", "joint_upper")


@dataclass(frozen=True)
class ImpedanceParameters:
    """Everything that the law can be told; the defaults are the preset `insertion`.

    Six-vectors are (linear, angular) in compliance axes, seven-vectors per joint. Joint limits, torque limits and
    friction default to the FR3 (system 5.9); a robot of another make brings its own.

    Attributes:
        shaping_mode: "interpolate" (straight to the goal within the duration given) or "filter" (first order).
        rotation_error_mode: "log" (rotation vector [rad]) or "quaternion" (vector part, about half the angle, so that
            the same stiffness number is half as stiff and the same clip is twice as wide).
        compliance_axes: "base" or "tcp": axes of stiffness, clips, integral and feed-forward.
        damping_mode: "ratio" (double diagonalisation) or "explicit" (diagonal `damping`).
        null_mode: "dynamic" (I - J^T Jbar^T) or "kinematic" (I - J^T pinv(J^T)).
        box_lower_m, box_upper_m: box of the target position, base frame [m].
        target_filter_s: time constant of the filter mode.
        max_linear_speed_m_s, max_angular_speed_rad_s: slew limits of the target.
        stiffness: [N/m] x3, [Nm/rad] x3.
        damping_ratio: of every mode, in ratio mode; 1 is critical.
        damping: [N s/m] x3, [Nm s/rad] x3, in explicit mode.
        follow_ratio: part of the target's own motion that is not braked, in [0, 1]. With 0 the spring has to pull
            against the damping of all motion: the arm is then no faster than stiffness * clip / damping (0.03 m/s
            for 12 N along x), and hits what it meets with that pull on top of its momentum. 1 follows without lag,
            and shoots over where the target stops.
        follow_filter_s: time constant of the target's motion as used there; a target that stops must not jerk.
        clip_lower, clip_upper: bounds of the error [m] x3, [rad] x3 (or the unit of the quaternion mode).
        integral_gain: [N/(m s)] x3, [Nm/(rad s)] x3. integral_limit: [N] x3, [Nm] x3.
        integral_max_speed: speed of an axis above which its integral waits [m/s] x3, [rad/s] x3.
        feed_forward_wrench: (force [N], torque [Nm]) pushed onto the world beside the spring.
        null_posture_rad: posture that the null space returns to; nan takes the joint's position at the start.
        null_stiffness: [Nm/rad]. null_damping: [Nm s/rad]; None is critical for 1 kg m^2, 2 sqrt(stiffness).
        null_limit_nm: largest posture torque of a joint. null_pseudoinverse_damping: of the kinematic projector.
        singular_ratio: det(A) / prod(A_ii) of A = J M^-1 J^T below which A is damped. singular_floor: how much, as a
            part of A's diagonal, at the singularity itself.
        friction_coulomb_nm, friction_viscous_nm_s_rad: friction of the joints.
        friction_ratio: part of the viscous (and, by velocity, of the Coulomb) friction compensated, in [0, 1).
        friction_velocity_rad_s: speed at which Coulomb friction by velocity has come up to tanh(1).
        friction_rest_ratio: part of the Coulomb friction compensated by the spring's pull, in [0, 1).
        friction_rest_torque_nm: pull at which that has come up to tanh(1); 0 compensates by velocity instead.
        joint_lower_rad, joint_upper_rad, joint_margin_rad, joint_repulsion_nm: repulsion inside the margin.
        torque_limit_nm: saturation. torque_step_nm: largest change in one tick; an FR3 aborts at 1 Nm/ms.
        gain_filter_s, clip_filter_s: time constants with which changed gains and clips come into force; 0 is at once.
        ramp_s: time in which the stiffness grows from zero after a start.

    Raises:
        ConfigError: a value is out of range.
        UnknownNameError: a mode does not exist.
    """

    shaping_mode: str = "interpolate"
    rotation_error_mode: str = "log"
    compliance_axes: str = "base"
    damping_mode: str = "ratio"
    null_mode: str = "dynamic"
    box_lower_m: tuple[float, float, float] = (-math.inf, -math.inf, -math.inf)
    box_upper_m: tuple[float, float, float] = (math.inf, math.inf, math.inf)
    target_filter_s: float = 0.0
    max_linear_speed_m_s: float = 0.25
    max_angular_speed_rad_s: float = 1.0
    stiffness: Six = (2000.0, 2000.0, 2000.0, 150.0, 150.0, 150.0)
    damping_ratio: float = 0.8
    damping: Six = (89.0, 89.0, 89.0, 7.0, 7.0, 7.0)
    follow_ratio: float = 0.75
    follow_filter_s: float = 0.02
    clip_lower: Six = (-0.006, -0.006, -0.008, -0.1, -0.1, -0.1)
    clip_upper: Six = (0.006, 0.006, 0.008, 0.1, 0.1, 0.1)
    integral_gain: Six = (0.0,) * 6
    integral_limit: Six = (0.0,) * 6
    integral_max_speed: Six = (0.005, 0.005, 0.005, 0.05, 0.05, 0.05)
    feed_forward_wrench: Six = (0.0,) * 6
    null_posture_rad: Seven = (math.nan,) * 7
    null_stiffness: Seven = (5.0,) * 7
    null_damping: Seven | None = None
    null_limit_nm: float = 5.0
    null_pseudoinverse_damping: float = 0.2
    singular_ratio: float = 1e-4
    singular_floor: float = 0.05
    friction_ratio: float = 0.8
    friction_rest_ratio: float = 0.98
    friction_coulomb_nm: Seven = (1.137, 1.137, 1.137, 1.137, 0.763, 0.44, 0.248)
    friction_viscous_nm_s_rad: Seven = (0.21,) * 7
    friction_velocity_rad_s: float = 0.05
    friction_rest_torque_nm: float = 0.03
    joint_lower_rad: Seven = (-2.9007, -1.8361, -2.9007, -3.0770, -2.8763, 0.4398, -3.0508)
    joint_upper_rad: Seven = (2.9007, 1.8361, 2.9007, -0.1169, 2.8763, 4.6216, 3.0508)
    joint_margin_rad: float = 0.3
    joint_repulsion_nm: float = 5.0
    torque_limit_nm: Seven = (78.3, 78.3, 78.3, 78.3, 10.8, 10.8, 10.8)
    torque_step_nm: float = 0.9
    gain_filter_s: float = 0.1
    clip_filter_s: float = 0.1
    ramp_s: float = 0.5

    def __post_init__(self) -> None:
        record = self.to_record()
        for field in fields(self):
            if field.name in _MODES:
                continue
            values = np.atleast_1d(record[field.name])
            if field.name == "null_posture_rad":
                values = values[~np.isnan(values)]
            if np.isnan(values).any() or (np.isinf(values).any() and not field.name.endswith(_MAY_BE_INFINITE)):
                raise ConfigError(f"{field.name} must be finite, got {values}.")
            if (values < 0.0).any() and not field.name.startswith(_MAY_BE_NEGATIVE):
                raise ConfigError(f"{field.name} must not be negative, got {values}.")
        self._check_ranges()

    def _check_ranges(self) -> None:
        if np.any(np.asarray(self.clip_lower) > 0.0) or np.any(np.asarray(self.clip_upper) < 0.0):
            raise ConfigError(f"clip_lower must be <= 0 <= clip_upper, got {self.clip_lower} and {self.clip_upper}.")
        for name in ("box", "joint"):
            unit = "m" if name == "box" else "rad"
            lower, upper = getattr(self, f"{name}_lower_{unit}"), getattr(self, f"{name}_upper_{unit}")
            if np.any(np.asarray(lower) > np.asarray(upper)):
                raise ConfigError(f"{name}_lower_{unit} must be <= {name}_upper_{unit}, got {lower} and {upper}.")
        for name in ("friction_ratio", "friction_rest_ratio"):
            if getattr(self, name) >= 1.0:  # over-compensated friction drives the arm
                raise ConfigError(f"{name} must be in [0, 1), got {getattr(self, name)}.")
        if self.follow_ratio > 1.0:
            raise ConfigError(f"follow_ratio must be in [0, 1], got {self.follow_ratio}.")
        if self.friction_velocity_rad_s <= 0.0:
            raise ConfigError(f"friction_velocity_rad_s must be > 0, got {self.friction_velocity_rad_s}.")
        if self.torque_step_nm <= 0.0:
            raise ConfigError(f"torque_step_nm must be > 0, got {self.torque_step_nm}.")

    def to_record(self) -> np.void:
        """The parameters as one record of PARAMETERS_DTYPE (an element of a fresh array).

        Raises:
            UnknownNameError: a mode does not exist.
        """
        record = np.zeros(1, records.PARAMETERS_DTYPE)[0]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _MODES:
                valid = _MODES[field.name]
                if value not in valid:
                    raise UnknownNameError(field.name, value, valid)
                value = valid[value]
            elif field.name == "null_damping" and value is None:
                value = 2.0 * np.sqrt(np.asarray(self.null_stiffness))
            wanted = record[field.name].shape
            if np.shape(value) != wanted:
                raise ConfigError(f"{field.name} must have shape {wanted}, got {np.shape(value)}.")
            record[field.name] = value
        return record  # type: ignore[no-any-return]

    def force_budget_n(self) -> Array:
        """Steady force [N] and torque [Nm] that spring and integral together can exert: stiffness times clip.

        The feed-forward comes on top.

        Returns:
            (2, 6): towards the negative (row 0, values <= 0) and the positive (row 1) side of each axis.
        """
        clips = np.array([self.clip_lower, self.clip_upper], np.float64)
        return np.asarray(self.stiffness, np.float64) * clips


def _cube(linear: float, angular: float) -> Six:
    """The same value on the three linear and the three angular axes."""
    return (linear, linear, linear, angular, angular, angular)


def _filter_time_s(coefficient: float) -> float:
    """Time constant of a first-order filter that goes `coefficient` of the way each millisecond."""
    return -1e-3 / math.log(1.0 - coefficient)


_COMPLIANT: Final = ImpedanceParameters(
    stiffness=_cube(400.0, 30.0),
    clip_lower=_cube(-0.03, -0.3),
    clip_upper=_cube(0.03, 0.3),
    friction_rest_torque_nm=0.006,  # a softer spring pulls less at the same error
)
_PRECISION: Final = ImpedanceParameters(
    stiffness=_cube(2000.0, 250.0),
    damping_ratio=1.0,
    follow_ratio=0.7,
    clip_lower=_cube(-0.03, -0.3),
    clip_upper=_cube(0.03, 0.3),
    integral_gain=_cube(300.0, 30.0),
    integral_limit=_cube(5.0, 1.0),
)
# Numbers of the law that HIL-SERL runs on its arms, defects of the law itself left out.
_SERL: Final = ImpedanceParameters(
    shaping_mode="filter",
    rotation_error_mode="quaternion",
    damping_mode="explicit",
    null_mode="kinematic",
    target_filter_s=_filter_time_s(0.005),
    follow_ratio=0.0,
    max_linear_speed_m_s=math.inf,
    max_angular_speed_rad_s=math.inf,
    clip_lower=_cube(-0.01, -0.05),
    clip_upper=_cube(0.01, 0.05),
    null_stiffness=(20.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2),
    # joint 1: the weight 100 enters its damping as a second factor 2 sqrt(100)
    null_damping=(40.0 * math.sqrt(0.2),) + (2.0 * math.sqrt(0.2),) * 6,
    null_limit_nm=math.inf,
    friction_ratio=0.0,
    friction_rest_ratio=0.0,
    joint_repulsion_nm=0.0,
    joint_margin_rad=0.0,
    torque_limit_nm=(math.inf,) * 7,
    torque_step_nm=1.0,
    gain_filter_s=_filter_time_s(0.005),
    clip_filter_s=0.0,
    ramp_s=0.0,
)

PRESETS: Final[dict[str, ImpedanceParameters]] = {
    "compliant": _COMPLIANT,
    "insertion": ImpedanceParameters(),
    "precision": _PRECISION,
    "serl": _SERL,
}


def preset(name: str) -> ImpedanceParameters:
    """Parameters of a preset.

    Raises:
        UnknownNameError: no such preset; the message lists the valid ones.
    """
    if name not in PRESETS:
        raise UnknownNameError("impedance preset", name, PRESETS)
    return PRESETS[name]
