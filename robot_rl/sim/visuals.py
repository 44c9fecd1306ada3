"""The Franka's visual meshes, for pictures that look like the product; the simulation itself needs none.

They come from the `mujoco-menagerie` package (extra `visual`) and are used only where that package is installed and
its models lie on this machine already: nothing is ever downloaded here. Run `python -m mujoco_menagerie prefetch
franka_fr3 franka_emika_panda` once, or set MENAGERIE_ROOT. Meshes make software rendering several times slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import mujoco

from robot_rl.errors import SetupError
from robot_rl.sim import franka


@dataclass(frozen=True)
class _Source:
    """A model of the package, one of its entry points, and which of its bodies dress which of ours."""

    robot: str
    entry: str
    body_names: dict[str, str]


_SOURCES: Final = (
    _Source("franka_fr3", "fr3", {name: name for name in franka.LINK_NAMES}),
    _Source(
        "franka_emika_panda",
        "hand",
        {"hand": franka.HAND_BODY_NAME, "left_finger": "finger_left", "right_finger": "finger_right"},
    ),
)


def has_visual_meshes() -> bool:
    """Whether the package is installed and has all the models on this machine. Downloads nothing."""
    return all(_model_file(source) is not None for source in _SOURCES)


def use_visual_meshes(spec: mujoco.MjSpec) -> None:
    """Put meshes in the place of the robot's primitive visual shapes. Contact shapes and dynamics stay as they are.

    Raises:
        SetupError: the meshes are not on this machine; see `has_visual_meshes`.
    """
    paths = [_model_file(source) for source in _SOURCES]
    for source, path in zip(_SOURCES, paths, strict=True):
        if path is None:
            raise SetupError(
                f"The meshes of {source.robot!r} are not on this machine. Install mujoco-menagerie and run "
                f"'python -m mujoco_menagerie prefetch {source.robot}', or do without meshes."
            )
    for source, path in zip(_SOURCES, paths, strict=True):
        if path is not None:
            _dress(spec, source, path)


def _model_file(source: _Source) -> Path | None:
    """The model's XML file, or None where the package or its cached model is missing."""
    try:
        menagerie: Any = import_module("mujoco_menagerie")
    except ModuleNotFoundError:
        return None
    robot, cache = menagerie.get(source.robot), menagerie.Cache()
    # `robot.path()` would download what is absent; so it is only asked for what is present.
    is_present = (cache.root / source.robot).is_dir() if cache.root else cache.is_cached(robot)
    if not is_present:
        return None
    path = Path(robot.path(cache)) / robot.entry(source.entry).file
    return path if path.is_file() else None


def _dress(spec: mujoco.MjSpec, source: _Source, path: Path) -> None:
    model = mujoco.MjSpec.from_file(str(path))
    mesh_folder = path.parent / model.meshdir
    for theirs, ours in source.body_names.items():
        body = spec.body(ours)
        for geom in [g for g in body.geoms if g.group == franka.VISUAL_GROUP and g.classname.name == "fr3_visual"]:
            spec.delete(geom)
        for geom in model.body(theirs).geoms:
            is_visual = geom.contype == 0 and geom.conaffinity == 0
            if geom.type != mujoco.mjtGeom.mjGEOM_MESH or not is_visual:
                continue
            copy = body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=_copy_mesh(spec, source, model.mesh(geom.meshname), mesh_folder),
                pos=geom.pos,
                quat=geom.quat,
                rgba=geom.rgba,
                group=franka.VISUAL_GROUP,
                mass=0.0,
            )
            franka.set_collision(copy, franka.NO_COLLISION)
            if geom.material:
                copy.material = _copy_material(spec, source, model.material(geom.material))


def _copy_mesh(spec: mujoco.MjSpec, source: _Source, mesh: mujoco.MjsMesh, folder: Path) -> str:
    name = f"{source.robot}/{mesh.name}"
    if spec.mesh(name) is None:
        spec.add_mesh(name=name, file=str((folder / mesh.file).resolve()), scale=mesh.scale)
    return name


def _copy_material(spec: mujoco.MjSpec, source: _Source, material: mujoco.MjsMaterial) -> str:
    name = f"{source.robot}/{material.name}"
    if spec.material(name) is None:
        spec.add_material(
            name=name, rgba=material.rgba, specular=material.specular, shininess=material.shininess, reflectance=0.0
        )
    return name
