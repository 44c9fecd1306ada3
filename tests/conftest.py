"""What every test process needs before numpy, numba or MuJoCo is imported."""

import os
import signal
from pathlib import Path

# A shell without job control lets what it starts in the background ignore Ctrl-C, and so all that this starts again.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The test processes share the cores already; more threads in each make all of them slower.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Rendering without a screen: what the set-up found to work. Without a set-up, robot_rl.sim chooses by itself.
_gl = Path(__file__).parents[1] / ".venv" / "mujoco_gl"
if _gl.is_file():
    os.environ.setdefault("MUJOCO_GL", _gl.read_text().strip())


from hypothesis import settings  # noqa: E402  hypothesis may import numpy

# The same examples in every run, so that CI cannot fail by chance; a slow, shared machine is no failure either.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("repeatable")
