"""Compiled trial of pushes: go around the T to a point on its outline, push there, and see how far that helped."""

from __future__ import annotations

import math

import numpy as np

from robot_rl.control.kernels import compiled
from robot_rl.geometry import Array
from robot_rl.sim.push_t.coverage import coverage
from robot_rl.sim.push_t.dynamics import BLOCK, DISC, step_scene
from robot_rl.sim.push_t.routes import (
    CLEARANCE_PX,
    MAX_POINTS,
    find_exit,
    find_route,
    is_free,
    measure_ways,
)
from robot_rl.sim.push_t.shapes import (
    CENTRE_Y_PX,
    DISC_RADIUS_PX,
    FIELD_PX,
    GOAL_POSE,
    SUCCESS_COVERAGE,
)

# A push is four numbers in [0, 1): whether it goes on from where the disc is, place on the outline, direction, speed.
PUSH_SIZE = 4
# What is known of a push that was tried: value, control steps, whether it solved the task.
VALUE, STEPS, IS_SOLVED = 0, 1, 2
OUTCOME_SIZE = 3
MAX_TARGETS = 96

_TRAVEL_PX = 18.0  # per control step, as fast as a hand moves that knows where to
_SLOWEST_PX, _FASTEST_PX = 2.5, 13.0  # of a push, per control step
_LONGEST_PX = 230.0
_TURN_RAD = 0.7  # largest angle between the push and the normal
_STEER_PART = 0.25  # of the pushes go on without leaving the block
_STEER_RAD = 1.2
_LEAST_STEPS, _LEAST_PX = 3, 1.0  # what is shorter, or moves the block by less, is no push
_PATIENCE = 12.0  # control steps without a better value, after which a push is broken off

# Control steps that still have to be made, from an error [px]: 8 sqrt(error). A small error costs more than its part,
# since the disc must go to another side for it.
_STEPS_PER_ROOT_PX = 8.0
_GYRATION_PX = 45.0
_NEAR_PX = 15.0  # beyond this error the block cannot cover 95 % of the goal

# sides of the outline: (x, y) of both ends, the outward normal, and the length up to the end of the side
_SIDES: Array = np.array(
    [
        [-60.0, 0.0, 60.0, 0.0, 0.0, -1.0, 120.0],
        [60.0, 0.0, 60.0, 30.0, 1.0, 0.0, 150.0],
        [60.0, 30.0, 15.0, 30.0, 0.0, 1.0, 195.0],
        [15.0, 30.0, 15.0, 120.0, 1.0, 0.0, 285.0],
        [15.0, 120.0, -15.0, 120.0, 0.0, 1.0, 315.0],
        [-15.0, 120.0, -15.0, 30.0, -1.0, 0.0, 405.0],
        [-15.0, 30.0, -60.0, 30.0, 0.0, 1.0, 450.0],
        [-60.0, 30.0, -60.0, 0.0, -1.0, 0.0, 480.0],
    ]
)


@compiled
def pose_error(pose: Array) -> float:
    """Distance [px] of a block's pose (3,) from the goal: of the centre of gravity, plus 45 px for each radian."""
    x = pose[0] - GOAL_POSE[0] - CENTRE_Y_PX * (math.sin(pose[2]) - math.sin(GOAL_POSE[2]))
    y = pose[1] - GOAL_POSE[1] + CENTRE_Y_PX * (math.cos(pose[2]) - math.cos(GOAL_POSE[2]))
    turn = (pose[2] - GOAL_POSE[2] + math.pi) % (2.0 * math.pi) - math.pi
    return float(math.hypot(x, y) + _GYRATION_PX * abs(turn))


@compiled
def remaining_steps(state: Array) -> float:
    """Estimate of the control steps that a scene (10,) still needs."""
    return _STEPS_PER_ROOT_PX * math.sqrt(pose_error(state[BLOCK : BLOCK + 3]))


@compiled
def is_solved(state: Array) -> bool:
    """Whether the block of a scene (10,) covers more than 95 % of the goal."""
    pose = state[BLOCK : BLOCK + 3]
    return bool(pose_error(pose) < _NEAR_PX and coverage(pose) > SUCCESS_COVERAGE)


@compiled
def try_pushes(states: Array, hands: Array, pushes: Array, most_steps: int, outcomes: Array, ends: Array) -> None:
    """Try each of K pushes from each of B scenes.

    Args:
        states: (B, 10).
        hands: the newest target in each scene [px], (B, 2).
        pushes: (B, K, 4).
        most_steps: after that many control steps a push is broken off.
        outcomes: written, (B, K, 3); the value of one that cannot be made is infinite.
        ends: written, state and newest target after the best step of each push, (B, K, 12).
    """
    targets = np.empty((MAX_TARGETS, 2))
    state = np.empty(states.shape[1])
    for scene in range(states.shape[0]):
        for k in range(pushes.shape[1]):
            count, first = lay_targets(states[scene], hands[scene], pushes[scene, k], targets)
            state[:] = states[scene]
            _try_push(state, targets, min(count, most_steps), first, outcomes[scene, k], ends[scene, k])


@compiled
def _try_push(state: Array, targets: Array, count: int, first: int, outcome: Array, end: Array) -> None:
    """Follow targets until the task is solved or nothing is gained any more.

    Of the steps from `first` on, by which the block has moved, the best is kept.
    """
    outcome[VALUE], outcome[STEPS], outcome[IS_SOLVED] = math.inf, 0.0, 0.0
    x, y, angle = state[BLOCK], state[BLOCK + 1], state[BLOCK + 2]
    for row in range(count):
        step_scene(state, targets[row, 0], targets[row, 1])
        if is_solved(state):
            outcome[VALUE], outcome[STEPS], outcome[IS_SOLVED] = row + 1.0, row + 1.0, 1.0
        elif row >= first + _LEAST_STEPS:
            value = row + 1.0 + remaining_steps(state)
            if value > outcome[VALUE] + _PATIENCE:
                return
            moved_px = abs(state[BLOCK] - x) + abs(state[BLOCK + 1] - y) + _GYRATION_PX * abs(state[BLOCK + 2] - angle)
            if value >= outcome[VALUE] or moved_px < _LEAST_PX:
                continue
            outcome[VALUE], outcome[STEPS] = value, row + 1.0
        else:
            continue
        end[: state.size] = state
        end[state.size :] = targets[row]
        if outcome[IS_SOLVED] > 0.0:
            return


@compiled
def lay_targets(state: Array, hand: Array, push: Array, targets: Array) -> tuple[int, int]:
    """Lay the disc's targets [px] for a push (4,) that starts at a scene (10,) with its newest target `hand` (2,).

    Writes `targets` (MAX_TARGETS, 2); returns how many, 0 if the push cannot be made, and the first of the push itself.
    """
    pose = state[BLOCK : BLOCK + 3]
    cosine, sine = math.cos(pose[2]), math.sin(pose[2])
    route = np.empty((MAX_POINTS, 2))
    place, goal = np.empty(2), np.empty(2)
    x, y = state[DISC] - pose[0], state[DISC + 1] - pose[1]
    place[0], place[1] = cosine * x + sine * y, cosine * y - sine * x
    speed_px = _SLOWEST_PX * math.pow(_FASTEST_PX / _SLOWEST_PX, push[3])
    if push[0] < _STEER_PART:
        if is_free(place[0], place[1]):
            return 0, 0  # there is nothing to go on with
        x, y = state[DISC + 2], state[DISC + 3]
        heading = math.atan2(y, x) + (2.0 * push[2] - 1.0) * _STEER_RAD
        row, rest = 0, 1.0
        x, y = hand[0], hand[1]
    else:
        heading = pose[2] + _choose_contact(push, goal)
        count = _plan_route(pose, place, goal, route)
        if count == 0:
            return 0, 0
        for k in range(count):
            x, y = route[k]
            route[k, 0], route[k, 1] = pose[0] + cosine * x - sine * y, pose[1] + sine * x + cosine * y
        row, rest = _walk(hand, route, count, targets)
        x, y = route[count - 1]
    first = row
    length_px = speed_px * rest
    while row < MAX_TARGETS and length_px < _LONGEST_PX:
        at_x, at_y = x + length_px * math.cos(heading), y + length_px * math.sin(heading)
        if min(at_x, at_y) < 0.0 or max(at_x, at_y) > FIELD_PX:
            break
        targets[row, 0], targets[row, 1] = at_x, at_y
        row += 1
        length_px += speed_px
    return row, first


@compiled
def _choose_contact(push: Array, goal: Array) -> float:
    """Write where the push begins (2,), just clear of the outline; returns its direction. Both in block axes."""
    along, side = push[1] * _SIDES[-1, 6], 0
    while along >= _SIDES[side, 6]:
        side += 1
    before = 0.0 if side == 0 else _SIDES[side - 1, 6]
    part = (along - before) / (_SIDES[side, 6] - before)
    ax, ay, bx, by, normal_x, normal_y, _ = _SIDES[side]
    away_px = DISC_RADIUS_PX + CLEARANCE_PX + 0.5
    goal[0], goal[1] = ax + part * (bx - ax) + away_px * normal_x, ay + part * (by - ay) + away_px * normal_y
    return float(math.atan2(-normal_y, -normal_x) + (2.0 * push[2] - 1.0) * _TURN_RAD)


@compiled
def _plan_route(pose: Array, place: Array, goal: Array, route: Array) -> int:
    """Way of the disc from `place` (2,) to `goal` (2,) in block axes; returns the number of points, or 0."""
    lengths, previous = np.empty(MAX_POINTS), np.empty(MAX_POINTS, np.int64)
    if not is_free(goal[0], goal[1]):
        return 0
    is_away = is_free(place[0], place[1])
    if not find_exit(pose, place):
        return 0
    measure_ways(pose, place, lengths, previous)
    if is_away:
        return find_route(place, goal, lengths, previous, route)
    route[0] = place
    count = find_route(place, goal, lengths, previous, route[1:])
    return count + 1 if count > 0 else 0


@compiled
def _walk(hand: Array, route: Array, count: int, targets: Array) -> tuple[int, float]:
    """Lay targets at equal distances along a route; returns how many, and the part of a step that is left over."""
    x, y = hand[0], hand[1]
    rest_px, row = _TRAVEL_PX, 0
    for k in range(count):
        left_px = math.hypot(route[k, 0] - x, route[k, 1] - y)
        while left_px >= rest_px and row < MAX_TARGETS:
            x, y = x + (route[k, 0] - x) * rest_px / left_px, y + (route[k, 1] - y) * rest_px / left_px
            targets[row, 0], targets[row, 1] = x, y
            row += 1
            left_px -= rest_px
            rest_px = _TRAVEL_PX
        x, y = route[k, 0], route[k, 1]
        rest_px -= left_px
    return row, rest_px / _TRAVEL_PX
