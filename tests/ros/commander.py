"""A commander to be killed: moves the arm of a real-time graph to and fro, ten times a second, until then."""

import sys
import time

from tests.ros import simulated

if __name__ == "__main__":
    with simulated.joined(simulated.load(*sys.argv[1:]), "commander") as here:
        arm, clock = here.cell.robot.arm, here.cell.env.clock
        start, sign = arm.state().tcp_pose, 1.0
        while True:
            sign = -sign
            pose = type(start)(start.position + [sign * 0.005, 0.0, 0.0], start.quaternion)
            arm.set_equilibrium_pose(pose, clock.now_ns())
            print("commanded", flush=True)
            time.sleep(0.1)
