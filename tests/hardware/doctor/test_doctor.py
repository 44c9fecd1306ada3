"""`robot-rl doctor`: machines that lack each thing, robots that are there, of another version, or nobody, and checks
that hang or crash.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from robot_rl_hardware.doctor import devices, real_time, robot, room, software
from robot_rl_hardware.doctor.command import CHECKS, run
from robot_rl_hardware.doctor.finding import Finding, Mark, Wanted
from robot_rl_hardware.doctor.isolation import run_isolated
from robot_rl_hardware.doctor.machine import Machine, run_program
from robot_rl_hardware.fci_sim.process import run_robot

from robot_rl.errors import DeviceError, UnknownNameError
from tests.hardware.fci_sim.clients import make_host

SIM, FR3 = Wanted(), Wanted(robot="fr3")
ARMS = pytest.mark.parametrize("robot_name", ["fr3", "panda"])
"""Whose loop of 1 kHz runs on this machine."""
CAMERAS = (
    '[{"name": "D405", "serial": "130322272869", "usb": "3.2"}, {"name": "D435", "serial": "8431", "usb": "2.1"}]\n'
)


class Printing:
    """Programs that print what they are told to, by a word that is in their command line; others do not exist."""

    def __init__(self, **texts):
        self.texts = texts

    def __call__(self, words):
        line = " ".join(words)
        return next((text for word, text in self.texts.items() if word in line), None)


def make_machine(root=Path("/nowhere"), programs=None, versions=None, environment=None, free_bytes=10**12, may=True):
    return Machine(
        root,
        environment or {},
        programs or Printing(),
        (versions or {}).get,
        lambda folder: free_bytes,
        lambda path: may,
    )


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


# --------------------------------------------------------------------------------------------------- software


@pytest.mark.parametrize(
    ("version", "mark"), [((3, 11, 0), Mark.OK), ((3, 14, 1), Mark.OK), ((3, 10, 9), Mark.MISSING)]
)
def test_an_old_python_is_missing_a_new_one(version, mark):
    assert software.check_python(make_machine(), SIM, version).mark is mark


def test_torch_is_needed_everywhere():
    assert software.check_torch(make_machine(), SIM).mark is Mark.MISSING
    broken = software.check_torch(make_machine(versions={"torch": "2.1"}), SIM)
    assert broken.mark is Mark.MISSING
    assert "cannot be imported" in broken.found


@pytest.mark.parametrize(("cuda", "mark"), [("True\n", Mark.OK), ("False\n", Mark.WARNING)])
def test_a_gpu_that_torch_cannot_use_is_told(cuda, mark):
    programs = Printing(torch=cuda, **{"nvidia-smi": "RTX 4090, 550.1, 24564 MiB\n"})
    found = software.check_torch(make_machine(programs=programs, versions={"torch": "2.1"}), SIM)
    assert found.mark is mark
    assert "RTX 4090, 550.1, 24564 MiB" in found.found


def test_no_gpu_is_no_fault():
    programs = Printing(torch="False\n")
    assert software.check_torch(make_machine(programs=programs, versions={"torch": "2.1"}), SIM).mark is Mark.OK


def test_ros_without_our_messages():
    with_ros = Printing(rclpy="rmw_fastrtps_cpp\n")
    assert "cannot be imported" in software.check_ros(make_machine(), SIM).found
    assert "no robot_rl_msgs" in software.check_ros(make_machine(programs=with_ros), SIM).found
    whole = Printing(rclpy="rmw_fastrtps_cpp\n", robot_rl_msgs="")
    found = software.check_ros(make_machine(programs=whole, environment={"ROS_DOMAIN_ID": "7"}), SIM)
    assert found == Finding(Mark.OK, "rclpy with rmw_fastrtps_cpp, ROS_DOMAIN_ID 7")


@pytest.mark.parametrize(
    ("library", "server"),
    [
        ("0.21.3", 10), ("0.18.0", 10), ("0.17.0", 9), ("0.14.1", 8), ("0.14.0", 7), ("0.10.0", 6), ("0.9.2", 5),
        ("0.8.0", None),
    ],
)  # fmt: skip
def test_the_version_of_the_interface_follows_from_the_librarys(library, server):
    assert software.to_server_version(library) == server


def test_libfranka_is_missing_only_for_who_has_a_robot():
    assert software.check_libfranka(make_machine(), SIM).mark is Mark.OK
    assert software.check_libfranka(make_machine(), FR3).mark is Mark.MISSING
    assert software.check_libfranka(make_machine(versions={"pylibfranka": "0.21.3"}), FR3).mark is Mark.OK


# --------------------------------------------------------------------------------------------------- real time


@pytest.mark.parametrize(
    ("realtime", "build", "mark"),
    [
        (None, "#1 SMP PREEMPT_DYNAMIC", Mark.WARNING),
        ("0\n", "#1 SMP", Mark.WARNING),
        ("1\n", "#1 SMP", Mark.OK),
        (None, "#1 SMP PREEMPT_RT", Mark.OK),
    ],
)
@ARMS
def test_the_kernel(tmp_path, robot_name, realtime, build, mark):
    if realtime is not None:
        write(tmp_path, "sys/kernel/realtime", realtime)
    assert real_time.check_kernel(make_machine(tmp_path), Wanted(robot=robot_name), build).mark is mark
    assert real_time.check_kernel(make_machine(tmp_path), SIM, build).mark is Mark.OK


@pytest.mark.parametrize(
    ("limits", "mark"),
    [((99, -1), Mark.OK), ((-1, -1), Mark.OK), ((0, -1), Mark.WARNING), ((99, 8 << 20), Mark.WARNING)],
)
@ARMS
def test_the_limits(robot_name, limits, mark):
    found = real_time.check_limits(make_machine(), Wanted(robot=robot_name), lambda: limits)
    assert found.mark is mark
    assert (mark is Mark.OK) != bool(found.advice)


@pytest.mark.parametrize(
    ("governors", "mark"),
    [(["performance"] * 2, Mark.OK), (["performance", "powersave"], Mark.WARNING), ([], Mark.OK)],
)
@ARMS
def test_the_governor(tmp_path, robot_name, governors, mark):
    for number, governor in enumerate(governors):
        write(tmp_path, f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_governor", governor + "\n")
    assert real_time.check_governor(make_machine(tmp_path), Wanted(robot=robot_name)).mark is mark


# --------------------------------------------------------------------------------------------------- the robot


def test_a_robot_of_the_librarys_version():
    machine = make_machine(versions={"pylibfranka": "0.21.3"})
    with run_robot(make_host()) as served:
        for _ in range(2):  # it is left as it was found
            found = robot.check_robot(machine, Wanted(robot="fr3", host=served.host))
            assert found.mark is Mark.OK
            assert "version 10" in found.found
        assert served.order("look")["cycle_count"] == 0


def test_a_panda_is_no_robot_for_pylibfranka():
    machine = make_machine(versions={"pylibfranka": "0.21.3"})
    with run_robot(make_host(), robot="panda") as served:
        found = robot.check_robot(machine, Wanted(robot="fr3", host=served.host))
    assert found.mark is Mark.MISSING
    assert "version 5" in found.found
    assert "robot=panda" in found.advice


def test_a_panda_for_panda_python():
    machine = make_machine(versions={"panda-python": "1.1.1"})
    with run_robot(make_host(), robot="panda") as served:
        assert robot.check_robot(machine, Wanted(robot="panda", host=served.host)).mark is Mark.OK
    assert software.check_libfranka(machine, Wanted(robot="panda")).mark is Mark.OK
    assert software.check_libfranka(machine, Wanted(robot="fr3")).mark is Mark.MISSING


@pytest.mark.parametrize("wanted_robot", ["fr3", "panda"])
def test_nobody_there(wanted_robot):
    found = robot.check_robot(make_machine(), Wanted(robot=wanted_robot, host=make_host()))
    assert found.mark is Mark.MISSING
    assert "port 1337" in found.found


@pytest.mark.parametrize("wanted_robot", ["sim", "fci_sim", "external"])
def test_a_robot_that_is_nobodys_to_reach(wanted_robot):
    assert robot.check_robot(make_machine(), Wanted(robot=wanted_robot, host=make_host())).mark is Mark.OK


@pytest.mark.parametrize("host", ["", "no such name.", "a" * 80 + ".b", "256.1.1.1"])
def test_an_address_that_is_none(host):
    with pytest.raises(DeviceError):
        robot.ask_version(host)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n", b"\x00" * 5])
def test_somebody_else_there(reply, monkeypatch):
    """Answers too little, or nonsense, and does not hang up."""
    monkeypatch.setattr(robot, "_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def serve():
            accepted, _ = server.accept()
            accepted.sendall(reply)
            kept.append(accepted)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(DeviceError, match=r"no robot|nobody answers"):
            robot.ask_version("127.0.0.1", server.getsockname()[1])
        thread.join()
        kept[0].close()


PING = "3 packets\nrtt min/avg/max/mdev = 0.100/0.200/{}/0.050 ms\n"


@pytest.mark.parametrize(
    ("device", "speed", "longest", "mark"),
    [
        ("eth0", "1000\n", "0.300", Mark.OK),
        ("eth0", "1000\n", "4.000", Mark.WARNING),
        ("eth0", "10\n", "0.300", Mark.WARNING),
        ("wlan0", None, "0.300", Mark.WARNING),
    ],
)
def test_the_way_to_the_robot(tmp_path, device, speed, longest, mark):
    if speed is not None:
        write(tmp_path, f"sys/class/net/{device}/speed", speed)
    else:
        write(tmp_path, f"sys/class/net/{device}/phy80211/name", "phy0\n")
    programs = Printing(route=f"172.16.0.2 dev {device} src 172.16.0.1\n", ping=PING.format(longest))
    found = robot.check_network(make_machine(tmp_path, programs), FR3)
    assert found.mark is mark
    assert device in found.found


def test_a_machine_that_cannot_say_which_way_it_takes():
    assert robot.check_network(make_machine(), FR3).mark is Mark.WARNING
    assert robot.check_network(make_machine(), SIM).mark is Mark.OK


# --------------------------------------------------------------------------------------------------- devices


@pytest.mark.parametrize(
    ("cameras", "mark", "word"),
    [
        (("130322272869",), Mark.WARNING, "8431: use a USB 3 port"),
        (("1",), Mark.MISSING, "udev"),
        (("",), Mark.MISSING, "say which is meant"),
        ((), Mark.WARNING, "8431"),
    ],
)
def test_cameras_by_their_serial_numbers(cameras, mark, word):
    machine = make_machine(programs=Printing(pyrealsense2=CAMERAS), versions={"pyrealsense2": "2.59"})
    found = devices.check_cameras(machine, Wanted(cameras=cameras))
    assert found.mark is mark
    assert word in found.advice


@pytest.mark.parametrize("versions", [{}, {"pyrealsense2": "2.59"}])
def test_cameras_without_their_library(versions):
    machine = make_machine(versions=versions)
    assert devices.check_cameras(machine, SIM).mark is Mark.OK
    assert devices.check_cameras(machine, Wanted(cameras=("1",))).mark is Mark.MISSING


@pytest.mark.parametrize(
    ("ident", "may", "mark"),
    [
        ("0003:0000256F:0000C635", True, Mark.OK),
        ("0003:0000046D:0000C62B", True, Mark.OK),
        ("0003:0000256F:0000C635", False, Mark.MISSING),
        ("0003:0000046D:0000C52B", True, Mark.MISSING),  # a mouse of the same maker
    ],
)
def test_the_spacemouse_and_the_right_to_read_it(tmp_path, ident, may, mark):
    write(tmp_path, "sys/class/hidraw/hidraw3/device/uevent", f"DRIVER=hid-generic\nHID_ID={ident}\nHID_NAME=x\n")
    machine = make_machine(tmp_path, versions={"pyspacemouse": "2.1.0"}, may=may)
    assert devices.check_spacemouse(machine, Wanted(teleop="spacemouse")).mark is mark
    assert devices.check_spacemouse(machine, SIM).mark is Mark.OK


def test_the_gamepad(tmp_path):
    wanted = Wanted(teleop="gamepad")
    assert devices.check_gamepad(make_machine(tmp_path), wanted).mark is Mark.MISSING
    write(tmp_path, "dev/input/js0", "")
    assert devices.check_gamepad(make_machine(tmp_path), wanted) == Finding(Mark.OK, "js0")
    assert devices.check_gamepad(make_machine(tmp_path, may=False), wanted).mark is Mark.MISSING


# --------------------------------------------------------------------------------------------------- room


@pytest.mark.parametrize(("gigabytes", "mark"), [(0.5, Mark.MISSING), (5, Mark.WARNING), (50, Mark.OK)])
def test_the_disk(tmp_path, gigabytes, mark):
    machine = make_machine(free_bytes=int(gigabytes * 1e9))
    assert room.check_disk(machine, Wanted(runs=tmp_path / "not" / "yet")).mark is mark


@pytest.mark.parametrize(("kilobytes", "mark"), [(2_000_000, Mark.WARNING), (16_000_000, Mark.OK), (None, Mark.OK)])
def test_the_memory(tmp_path, kilobytes, mark):
    if kilobytes is not None:
        write(tmp_path, "proc/meminfo", f"MemTotal:  32000000 kB\nMemAvailable:   {kilobytes} kB\n")
    assert room.check_memory(make_machine(tmp_path), SIM).mark is mark


# --------------------------------------------------------------------------------------------------- all together


def test_a_check_that_hangs_is_given_up():
    started_s = time.monotonic()
    found = run_isolated(lambda: time.sleep(60.0), 0.2)
    assert (found.mark, found.found) == (Mark.UNKNOWN, "no answer within 0.2 s")
    assert time.monotonic() - started_s < 30.0


def test_a_check_that_crashes_or_fails_is_told():
    assert run_isolated(lambda: os._exit(7), 10.0).found == "the check has crashed"
    assert "ZeroDivisionError" in run_isolated(lambda: 1 // 0, 10.0).found
    assert run_isolated(lambda: Finding(Mark.OK, "fine"), 10.0) == Finding(Mark.OK, "fine")


def test_programs_that_fail_or_do_not_exist_say_nothing():
    assert run_program(["no-such-program"]) is None
    assert run_program([sys.executable, "-c", "raise SystemExit(3)"]) is None
    assert run_program([sys.executable, "-c", "print(5)"]) == "5\n"


def test_an_empty_machine_has_an_answer_to_everything(tmp_path, capsys):
    assert run(Wanted(robot="fr3", host=make_host()), make_machine(tmp_path)) == 1
    lines = capsys.readouterr().out.splitlines()
    for name in CHECKS:
        assert any(line[9:].startswith(name) for line in lines), name
    assert lines[-1] == "missing: PyTorch, GPU, libfranka, robot"
    assert not any("failed" in line or "crashed" in line for line in lines)


def test_a_machine_for_the_simulation_lacks_nothing(tmp_path, capsys):
    machine = make_machine(tmp_path, Printing(torch="False\n"), {"torch": "2.1"})
    assert run(SIM, machine) == 0
    assert capsys.readouterr().out.endswith("nothing that robot=sim needs is missing\n")


@pytest.mark.parametrize("wanted", [Wanted(robot="fr4"), Wanted(teleop="mouse")])
def test_names_that_do_not_exist_are_answered_with_those_that_do(wanted):
    with pytest.raises(UnknownNameError, match="Valid are"):
        run(wanted)


def test_the_command():
    words = [sys.executable, "-m", "robot_rl.cli", "doctor", "robot=fr3", f"robot.franka.host={make_host()}"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "missing  robot" in ended.stdout
    assert ended.stderr == ""
