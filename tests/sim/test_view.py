"""Pictures come from a scene of their own, which has to be where the physics are."""

import numpy as np
import pytest

from robot_rl.geometry import Pose
from robot_rl.sim.view import without_visuals
from robot_rl.sim.workcell import make_workcell_spec
from tests import simcells


def test_without_visuals_nothing_weighs_or_moves_differently():
    spec = make_workcell_spec()
    whole, bare = spec.compile(), without_visuals(spec).compile()
    assert bare.ngeom < whole.ngeom
    assert np.all((bare.geom_contype != 0) | (bare.geom_conaffinity != 0))
    for name in ("body_mass", "body_inertia", "body_ipos", "dof_armature", "dof_invweight0", "jnt_range"):
        np.testing.assert_array_equal(getattr(bare, name), getattr(whole, name), err_msg=name)
    assert spec.compile().ngeom == whole.ngeom, "the scene itself is left as it was"


@pytest.mark.parametrize("task", ["reach", "peg", "plug", "pick_cube"])
def test_every_body_is_seen_where_it_is(task):
    cell = simcells.make(f"task={task}", "teleop=expert")
    cell.env.reset(seed=3)
    for _ in range(5):
        cell.env.step(np.zeros(cell.env.action_map.action_size))
    simulation, view = cell.simulation, cell.simulation.view
    view.follow(simulation.model, simulation.data)
    np.testing.assert_array_equal(view.data.xpos, simulation.data.xpos)
    np.testing.assert_array_equal(view.data.xquat, simulation.data.xquat)


def test_a_fixture_that_was_moved_moves_in_the_picture():
    cell = simcells.make("task=peg")
    cell.env.reset(seed=0)
    camera = cell.make_camera("side", 64, 64)
    before = camera.read()[1]
    np.testing.assert_array_equal(camera.read()[1], before)
    cell.simulation.set_body_pose("hole", Pose(np.array([0.5, 0.15, 0.035])))
    assert np.abs(camera.read()[1].astype(int) - before).max() > 30


def test_who_looks_at_nothing_pays_for_no_view():
    cell = simcells.make("task=peg")
    cell.env.reset(seed=0)
    cell.env.step(np.zeros(6))
    assert "view" not in vars(cell.simulation)
