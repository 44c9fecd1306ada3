"""Laws of the compiled rotations and linear algebra."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from robot_rl.control import kernels, task_inertia
from robot_rl.geometry import Array

RNG = np.random.default_rng(7)


def spd(size: int, spread: float = 3.0) -> Array:
    """Symmetric positive definite with eigenvalues over `spread` decades."""
    q, _ = np.linalg.qr(RNG.normal(size=(size, size)))
    matrix = (q * 10 ** RNG.uniform(-spread / 2, spread / 2, size)) @ q.T
    return 0.5 * (matrix + matrix.T)


@pytest.mark.parametrize("size", [6, 7])
def test_cholesky_and_solves_invert(size):
    for _ in range(100):
        matrix, right = spd(size), RNG.normal(size=size)
        lower, solution = np.zeros((size, size)), right.copy()
        assert kernels.cholesky(matrix, lower)
        kernels.forward_solve(lower, solution)
        np.testing.assert_allclose(solution, np.linalg.solve(np.linalg.cholesky(matrix), right), rtol=1e-9)
        kernels.backward_solve(lower, solution)
        np.testing.assert_allclose(matrix @ solution, right, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("eigenvalue", [-1.0, 0.0])
def test_cholesky_refuses_what_is_not_positive_definite(eigenvalue):
    q, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
    assert not kernels.cholesky((q * [1, 1, 1, 1, 1, eigenvalue]) @ q.T, np.zeros((6, 6)))


def test_cholesky_refuses_nan():
    assert not kernels.cholesky(np.full((6, 6), np.nan), np.zeros((6, 6)))


def test_diagonalise_agrees_with_eigh():
    for _ in range(200):
        matrix = spd(6, spread=6.0)
        work, rows = matrix.copy(), np.zeros((6, 6))
        kernels.diagonalise(work, rows)
        np.testing.assert_allclose(np.sort(np.diag(work)), np.linalg.eigvalsh(matrix), rtol=1e-9)
        np.testing.assert_allclose(rows @ rows.T, np.eye(6), atol=1e-13)
        np.testing.assert_allclose((rows.T * np.diag(work)) @ rows, matrix, atol=1e-11 * np.abs(matrix).max())


def test_diagonalise_keeps_repeated_eigenvalues():
    work, rows = np.eye(6) * 3.0, np.zeros((6, 6))
    kernels.diagonalise(work, rows)
    np.testing.assert_array_equal(np.diag(work), np.full(6, 3.0))


def mode_ratios(inertia: Array, damping: Array, stiffness: Array) -> Array:
    """Damping ratio of each eigenvalue of Lambda x'' + D x' + K x = 0."""
    system = np.block(
        [
            [np.zeros((6, 6)), np.eye(6)],
            [-np.linalg.solve(inertia, stiffness), -np.linalg.solve(inertia, damping)],
        ]
    )
    roots = np.linalg.eigvals(system)
    return -roots.real / np.abs(roots)


@pytest.mark.parametrize("zeta", [0.3, 0.7, 0.95])
def test_modal_damping_gives_every_mode_its_ratio(zeta):
    for _ in range(20):
        inverse = spd(6)
        stiffness = 10 ** RNG.uniform(1, 3.3, 6)
        damping = np.zeros((6, 6))
        task_inertia.modal_damping(inverse, stiffness, zeta, damping)
        ratios = mode_ratios(np.linalg.inv(inverse), damping, np.diag(stiffness))
        np.testing.assert_allclose(ratios, zeta, rtol=1e-6)


def test_modal_damping_of_a_unit_mass_is_two_zeta_root_stiffness():
    damping = np.zeros((6, 6))
    task_inertia.modal_damping(np.eye(6), np.full(6, 400.0), 0.5, damping)
    np.testing.assert_allclose(damping, 20.0 * np.eye(6), atol=1e-12)


def test_quaternion_kernels_agree_with_scipy():
    for _ in range(300):
        a, b = Rotation.random(rng=RNG), Rotation.random(rng=RNG)
        product, difference, vector = np.zeros(4), np.zeros(4), np.zeros(3)
        kernels.quaternion_product(a.as_quat(), b.as_quat(), product)
        np.testing.assert_allclose(Rotation.from_quat(product).as_matrix(), (a * b).as_matrix(), atol=1e-14)
        kernels.quaternion_difference(a.as_quat(), b.as_quat(), difference)
        assert difference[3] >= 0.0
        angle = kernels.rotation_vector(difference, vector)
        np.testing.assert_allclose(vector, (a * b.inv()).as_rotvec(), atol=1e-10)
        assert angle == pytest.approx(np.linalg.norm(vector), abs=1e-12)


def test_product_may_write_onto_its_argument():
    a, b = Rotation.random(rng=RNG).as_quat(), Rotation.random(rng=RNG).as_quat()
    apart = np.zeros(4)
    kernels.quaternion_product(a, b, apart)
    kernels.quaternion_product(a, b, b)
    np.testing.assert_array_equal(b, apart)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-7, 1.0, np.pi - 1e-7, np.pi])
@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.6, -0.48, 0.64)])
def test_matrix_quaternion_is_exact_for_every_pivot(axis, angle):
    matrix = Rotation.from_rotvec(angle * np.array(axis)).as_matrix()
    quaternion = np.zeros(4)
    kernels.matrix_quaternion(matrix, quaternion)
    np.testing.assert_allclose(Rotation.from_quat(quaternion).as_matrix(), matrix, atol=1e-15)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0])
def test_rotate_quaternion_is_the_exponential(fraction, scale):
    begin, vector = Rotation.random(rng=RNG), scale * np.array([0.3, -0.5, 0.8])
    turned = np.zeros(4)
    kernels.rotate_quaternion(begin.as_quat(), vector, fraction, turned)
    expected = Rotation.from_rotvec(fraction * vector) * begin
    np.testing.assert_allclose(Rotation.from_quat(turned).as_matrix(), expected.as_matrix(), atol=1e-15)


def test_rotate_back_turns_both_halves():
    rotation = Rotation.from_rotvec([0.0, 0.0, np.pi / 2]).as_matrix()
    vector = np.array([1.0, 0.0, 0.0, 0.0, 2.0, 3.0])
    kernels.rotate_back(rotation, vector)
    np.testing.assert_allclose(vector, [0.0, -1.0, 0.0, 2.0, 0.0, 3.0], atol=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 11.0, -11.0])
def test_is_bounded_refuses(bad):
    values = np.zeros((2, 3))
    assert kernels.is_bounded(values, 10.0)
    values[1, 2] = bad
    assert not kernels.is_bounded(values, 10.0)


def test_is_rotation_tells_mirrors_and_shears():
    assert kernels.is_rotation(Rotation.random(rng=RNG).as_matrix())
    assert not kernels.is_rotation(np.diag([1.0, 1.0, -1.0]))
    assert not kernels.is_rotation(np.zeros((3, 3)))
    assert not kernels.is_rotation(np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
