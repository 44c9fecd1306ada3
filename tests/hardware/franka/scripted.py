"""An arm whose driver's process is a script, which needs no robot: it tells a state and obeys stops and recoveries."""

import sys
import textwrap

from robot_rl_hardware.franka.arm import FrankaArm

_SCRIPT = """
import sys, time
from robot_rl.types import Reason, StopRecord
from robot_rl_hardware.franka.records import ORDER_DTYPE, REPORT_DTYPE, get_stop, put_stop
from robot_rl_hardware.franka.shared import SharedRecord

orders, reports = SharedRecord(ORDER_DTYPE, int(sys.argv[2])), SharedRecord(REPORT_DTYPE, int(sys.argv[3]))
report, own = reports.record[0], None
report["measured"]["position_m"], report["measured"]["quaternion"] = (0.5, 0.0, 0.2), (1.0, 0.0, 0.0, 0.0)
report["is_moving"] = 1
while not orders.peek("is_over"):
    orders.read()
    order = orders.record[0]
{act}
    if order["mode_count"] != report["mode_count"]:
        report["mode_count"] = order["mode_count"]
        put_stop(report, get_stop(order))
    report["stamp_ns"] = time.monotonic_ns()
    reports.write()
    time.sleep(1e-3)
"""


def make_script(act):
    """The script, with what it does besides every millisecond."""
    return _SCRIPT.format(act=textwrap.indent(textwrap.dedent(act), "    "))


class ScriptedArm(FrankaArm):
    """An arm whose process runs `script`, or is the driver's."""

    script: str | None = None

    def _make_command(self):
        return super()._make_command() if self.script is None else [sys.executable, "-c", self.script]
