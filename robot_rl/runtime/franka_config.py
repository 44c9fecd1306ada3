"""The configuration of a Franka that is driven over its own interface: a real one, or one simulated behind the wire."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FrankaArmConfig:
    """The arm; what the values may be, its driver says.

    Attributes:
        load_kg, load_com_m, load_inertia_kg_m2: what the hand holds all the time: mass, centre in the flange's frame,
            and inertia about it (3 x 3, by columns).
        torque_thresholds_nm, force_thresholds: external torques of the joints and (force [N], torque [Nm]) of the tool
            beyond which the robot stops by itself. Above task.episode.max_force_n, at which the driver stops softly.
        force_limit_ms: how long that force must be exceeded: a part that touches down exceeds it for some milliseconds.
        tare_limit_n, tare_limit_nm: force and torque that may be tared at the end of a reset, at most.
        target_timeout_s: after so long without a sign of life from the controller's node it stops softly.
        late_limit_ms: states missing in a row at which it stops softly; the robot stops at 20.
        success_limit: share of the last 100 commands that came in time, below which it stops softly.
        connect_timeout_s: how long a robot that refuses is asked again.
        recoveries_per_minute: of errors of the robot, at most.
        cpu: processor of the torque loop; -1 for any.
    """

    load_kg: float = 0.0
    load_com_m: tuple[float, ...] = (0.0, 0.0, 0.0)
    load_inertia_kg_m2: tuple[float, ...] = (0.0,) * 9
    torque_thresholds_nm: tuple[float, ...] = (60.0, 60.0, 55.0, 50.0, 40.0, 35.0, 30.0)
    force_thresholds: tuple[float, ...] = (100.0, 100.0, 100.0, 30.0, 30.0, 30.0)
    force_limit_ms: int = 30
    tare_limit_n: float = 5.0
    tare_limit_nm: float = 1.0
    target_timeout_s: float = 2.0
    late_limit_ms: int = 10
    success_limit: float = 0.7
    connect_timeout_s: float = 3.0
    recoveries_per_minute: int = 5
    cpu: int = -1


@dataclass(frozen=True)
class FrankaHandConfig:
    """The hand.

    Attributes:
        speed_m_s: of opening and closing.
        force_n: that something is held with.
        grasp_width_m: closing to this width or less is a grasp.
        turn_s: between two changes of direction at least; a command that comes sooner waits.
        is_homed: whether the hand is to find its widest opening at the start, which moves it.
        connect_timeout_s: how long a hand that refuses is asked again.
    """

    speed_m_s: float = 0.1
    force_n: float = 40.0
    grasp_width_m: float = 0.01
    turn_s: float = 0.6
    is_homed: bool = False
    connect_timeout_s: float = 3.0


@dataclass(frozen=True)
class FrankaConfig:
    """Arm and hand at one address.

    Attributes:
        host: the robot's address; of a simulated one, in 127.0.0.0/8.
        arm: the arm.
        hand: the hand.
    """

    host: str = "172.16.0.2"
    arm: FrankaArmConfig = field(default_factory=FrankaArmConfig)
    hand: FrankaHandConfig = field(default_factory=FrankaHandConfig)
