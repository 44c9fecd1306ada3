"""Episodes to and from the layouts in which others publish theirs, without losing a bit of our own.

Each module of `FORMATS` has `export_episodes(episodes, path, *, rate_hz, task, said)`, `import_episodes(path)` and
`read_said(path)`. Import the module by its name when it is needed: each loads a library of its own.
"""

from __future__ import annotations

FORMATS = {
    "diffusion_policy": "robot_rl.data.exchange.diffusion_policy",
    "lerobot": "robot_rl.data.exchange.lerobot",
    "robomimic": "robot_rl.data.exchange.robomimic",
}
"""Name of a layout -> the module that writes and reads it."""
