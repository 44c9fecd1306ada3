"""Machine code that was kept is used again, and never where a function that was compiled into it has changed."""

import subprocess
import sys

CALLED = "from robot_rl.control.kernels import compiled\n@compiled\ndef called(x):\n    return x * {factor}\n"
CALLING = """
from called import called
from robot_rl.control.kernels import compiled
@compiled
def calling(x):
    return called(x)
print(calling(3.0), sum(calling.stats.cache_hits.values()))
"""


def run(folder):
    """The result, and whether its code was kept from before."""
    command = [sys.executable, "calling.py"]
    result, hits = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    return float(result), int(hits) > 0


def test_a_change_of_what_is_called_is_seen(tmp_path):
    """Numba itself looks at the calling file alone, and would return 6 for ever."""
    (tmp_path / "calling.py").write_text(CALLING)
    for factor, result in (("2.0", 6.0), ("5.0", 15.0)):
        (tmp_path / "called.py").write_text(CALLED.format(factor=factor))
        assert run(tmp_path) == (result, False)
        assert run(tmp_path) == (result, True)
