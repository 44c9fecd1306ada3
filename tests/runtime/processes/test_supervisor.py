"""The supervisor, with small programs in the place of nodes: none of them outlives it, whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What a test runs: a graph of programs, described in a JSON file, under a supervisor in a process of its own.
HOST = """
import json, os, sys
from pathlib import Path
from robot_rl.runtime.processes.merged_log import MergedLog
from robot_rl.runtime.processes.process_spec import ProcessSpec, Restart
from robot_rl.runtime.processes.restart_limit import Backoff
from robot_rl.runtime.processes.supervisor import Supervisor
specs, backoff = json.loads(Path(sys.argv[1]).read_text())
processes = [ProcessSpec(**{**spec, "program": tuple(spec["program"]), "restart": Restart(spec["restart"]),
             "log_file": Path("logs", spec["name"] + ".log"), "backoff": Backoff(**backoff)}) for spec in specs]
with MergedLog({process.name: process.log_file for process in processes}) as log:
    supervisor = Supervisor(processes, log, os.environ)
    code = supervisor.run()
print("result:", supervisor.result())
sys.exit(code)
"""
# What all programs begin with: each says in a file that it has started, and how it was asked to end.
PRELUDE = """
import os, signal, subprocess, sys, time
NAME = sys.argv[1]
def note(text):
    with open("events", "a") as file:
        file.write(f"{NAME} {text} {os.getpid()}\\n")
def started():
    return sum(line.startswith(f"{NAME} started") for line in open("events"))
def obey(number, frame):
    note("asked")
    time.sleep(0.2)
    note("ended")
    sys.exit(130)
signal.signal(signal.SIGINT, obey)
note("started")
"""
WAIT = "time.sleep(60)"
IGNORE = """signal.signal(signal.SIGINT, lambda *_: note('asked'))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(60): time.sleep(1)"""
SPAWN = "note('child'); child = subprocess.Popen(['sleep', '60']); open('child', 'w').write(str(child.pid))\n"


class Graph:
    """A supervised graph of programs in a folder."""

    def __init__(self, folder, specs, prefix=(), **backoff):
        self.folder = folder
        (folder / "graph.json").write_text(json.dumps([specs, {"first_pause_s": 0.05, **backoff}]))
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", HOST, "graph.json"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def events(self):
        path = self.folder / "events"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def pids(self):
        child = self.folder / "child"
        return {int(pid) for *_, pid in self.events()} | ({int(child.read_text())} if child.exists() else set())

    def wait_for(self, name, what="started", times=1):
        deadline = time.monotonic() + 60
        while sum(event[:2] == [name, what] for event in self.events()) < times:
            assert time.monotonic() < deadline, self.events()
            time.sleep(0.02)

    def finish(self):
        """(exit status, output) once it has ended by itself; nothing may be left then."""
        output, _ = self.process.communicate(timeout=60)
        assert [pid for pid in self.pids() if is_running(pid)] == []
        return self.process.returncode, output


@pytest.fixture
def start(tmp_path):
    """Starts a graph; whatever a failing test leaves is killed."""
    graphs = []

    def begin(*specs, **backoff):
        graphs.append(Graph(tmp_path, specs, **backoff))
        return graphs[-1]

    yield begin
    for graph in graphs:
        graph.process.kill()
        graph.process.wait()
        graph.process.stdout.close()
        for pid in graph.pids():
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)


def program(name, body=WAIT, **values):
    command = [sys.executable, "-c", PRELUDE + body, name]
    return {"name": name, "program": command, "restart": "on_failure", **values}


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until_gone(pids, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, "a process was left behind"
        time.sleep(0.02)


DRIVER = {"ends_run": True, "moves_robot": True}


def test_lines_are_merged_under_their_names_and_kept_in_a_file_each(start, tmp_path):
    body = "while not any(line.startswith('simulation started') for line in open('events')): time.sleep(0.02)\n"
    body += "print('\\x1b[31mred\\x1b[0m'); print('10%\\r100%'); print('tönt', file=sys.stderr); "
    body += "print('{\"a\": 1}'); print('and a complaint', end='')"
    graph = start(program("simulation"), program("actor", body, **DRIVER))
    code, output = graph.finish()
    assert code == 0
    lines = output.splitlines()
    for line in (
        "     actor | red",
        "     actor | 100%",
        "     actor | tönt",
        '     actor | {"a": 1}',
        "     actor | and a complaint",
    ):
        assert line in lines
    assert "        up | actor has ended well, stopping the others" in lines
    assert lines[-1] == 'result: {"a": 1}'
    kept = (tmp_path / "logs" / "actor.log").read_text()
    assert kept.startswith("red\n100%\n")
    assert "simulation has ended with status 130" in kept
    assert "red" not in (tmp_path / "logs" / "simulation.log").read_text()


def test_very_long_and_endless_output_does_not_keep_the_others_waiting(start):
    endless = "while True: sys.stdout.write('x' * 100000)"
    graph = start(program("simulation", endless), program("actor", "time.sleep(0.5); print('over')", **DRIVER))
    code, output = graph.finish()
    assert code == 0
    assert "actor | over" in output


def test_a_reader_that_stalls_does_not_keep_anybody_from_being_watched(start):
    """Of a pager, say: who fails is started again, all are stopped in order, and the files have everything."""
    body = "for i in range(20000): print(f'line {i} ' + 'x' * 40)\nnote('printed')\n" + WAIT
    graph = start(program("simulation"), program("actor", body, **DRIVER))
    graph.wait_for("simulation")
    graph.wait_for("actor", "printed")
    (first,) = {int(pid) for name, what, pid in graph.events() if (name, what) == ("simulation", "started")}
    os.kill(first, signal.SIGKILL)
    graph.wait_for("simulation", times=2)
    graph.process.send_signal(signal.SIGINT)
    graph.wait_for("simulation", "ended")
    assert graph.process.poll() is None, "it waits for its reader at its end"
    code, output = graph.finish()
    assert code == 130
    gaps = [int(line.split()[1]) for line in output.splitlines() if "lines of actor are left out here" in line]
    assert sum(gaps) > 0
    assert output.count("actor | line ") + sum(gaps) == 20000
    for line in ("simulation was ended by SIGKILL, restarting it", "SIGINT: stopping", "result:"):
        assert line in output
    kept = (graph.folder / "logs" / "actor.log").read_text().splitlines()
    assert sum(line.startswith("line ") for line in kept) == 20000


def test_bytes_that_are_no_text_are_no_end(start):
    graph = start(program("actor", "sys.stdout.buffer.write(b'\\xff\\xfe\\n'); print('over')", **DRIVER))
    code, output = graph.finish()
    assert (code, "actor | \\xff\\xfe" in output, "actor | over" in output) == (0, True, True)


def test_the_end_of_the_run_stops_the_others(start):
    graph = start(program("simulation"), program("learner"), program("actor", "time.sleep(0.5)", **DRIVER))
    code, _ = graph.finish()
    assert code == 0
    assert [event[:2] for event in graph.events() if event[1] != "started"] == [
        ["simulation", "asked"],
        ["simulation", "ended"],
        ["learner", "asked"],
        ["learner", "ended"],
    ]


def test_what_ends_itself_is_not_asked_to(start):
    body = "time.sleep(1.0); note('saved')"
    graph = start(program("learner", body, ends_itself=True), program("actor", "", **DRIVER))
    assert graph.finish()[0] == 0
    assert ["learner", "saved"] in [event[:2] for event in graph.events()]
    assert ["learner", "asked"] not in [event[:2] for event in graph.events()]


def test_what_should_end_itself_and_does_not_is_asked_to(start):
    graph = start(program("learner", ends_itself=True, grace_s=0.5), program("actor", "", **DRIVER))
    assert graph.finish()[0] == 0
    assert ["learner", "ended"] in [event[:2] for event in graph.events()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_stops_the_robot_first(start, number):
    graph = start(program("simulation"), program("learner", ends_itself=True), program("actor", **DRIVER))
    for name in ("simulation", "learner", "actor"):
        graph.wait_for(name)
    graph.process.send_signal(number)
    code, output = graph.finish()
    assert code == 130
    order = [event[:2] for event in graph.events() if event[1] != "started"]
    assert order == [[name, what] for name in ("actor", "simulation", "learner") for what in ("asked", "ended")]
    assert f"up | {number.name}: stopping" in output


def test_a_terminal_that_is_closed_is_told_of_twice_and_nothing_is_killed(start):
    """Its shell and the kernel tell, one after the other."""
    graph = start(program("simulation"), program("actor", **DRIVER))
    graph.wait_for("simulation")
    graph.wait_for("actor")
    graph.process.send_signal(signal.SIGHUP)
    graph.wait_for("actor", "asked")
    time.sleep(0.15)  # what comes at once is one signal anyway
    graph.process.send_signal(signal.SIGHUP)
    assert graph.finish()[0] == 130
    order = [event[:2] for event in graph.events() if event[1] != "started"]
    assert order == [[name, what] for name in ("actor", "simulation") for what in ("asked", "ended")]


def test_a_terminal_that_is_closed_ends_nothing_that_was_started_with_nohup(start):
    graph = start(program("simulation"), program("actor", **DRIVER), prefix=["nohup"])
    graph.wait_for("simulation")
    graph.wait_for("actor")
    graph.process.send_signal(signal.SIGHUP)
    graph.process.send_signal(signal.SIGINT)
    code, output = graph.finish()
    assert code == 130
    assert "up | SIGINT: stopping" in output, "the first signal that is answered"


def test_the_exit_status_is_that_of_the_process_that_ends_the_run(start):
    body = "signal.signal(signal.SIGINT, lambda *_: sys.exit(3))\n" + WAIT
    graph = start(program("simulation"), program("actor", body, **DRIVER))
    graph.wait_for("simulation")
    graph.wait_for("actor")
    time.sleep(0.2)  # the handler is set after the start was noted
    graph.process.send_signal(signal.SIGINT)
    assert graph.finish()[0] == 3


def test_what_does_not_end_when_asked_to_is_killed(start):
    graph = start(program("simulation", IGNORE, grace_s=0.3), program("actor", IGNORE, grace_s=0.3, **DRIVER))
    graph.wait_for("simulation")
    graph.wait_for("actor")
    time.sleep(0.2)
    graph.process.send_signal(signal.SIGINT)
    code, output = graph.finish()
    assert code == 128 + signal.SIGKILL
    assert "actor has not ended within 0.3 s and is killed" in output
    assert "simulation has not ended within 0.3 s and is killed" in output


def test_what_would_finish_something_first_is_urged_before_it_is_killed(start):
    patient = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n" + WAIT
    )
    graph = start(program("simulation"), program("actor", patient, grace_s=2.0, **DRIVER))
    graph.wait_for("simulation")
    graph.wait_for("actor")
    time.sleep(0.2)
    graph.process.send_signal(signal.SIGINT)
    code, output = graph.finish()
    assert code == 3
    assert "is killed" not in output


def test_a_second_interruption_kills_at_once(start):
    graph = start(program("simulation", IGNORE), program("actor", SPAWN + IGNORE, grace_s=60.0, **DRIVER))
    graph.wait_for("simulation")
    graph.wait_for("actor", "child")
    time.sleep(0.3)
    graph.process.send_signal(signal.SIGINT)
    graph.wait_for("actor", "asked")
    time.sleep(0.2)  # what comes at once is the same Ctrl-C
    graph.process.send_signal(signal.SIGINT)
    assert graph.finish()[0] != 0
    assert ["simulation", "asked"] not in [event[:2] for event in graph.events()]


def test_a_failure_is_followed_by_a_restart(start):
    body = "time.sleep(0.1)\nif started() < 3: sys.exit(7)\nnote('works')\n" + WAIT
    graph = start(program("simulation", body), program("actor", **DRIVER))
    graph.wait_for("simulation", "works")
    graph.process.send_signal(signal.SIGINT)
    _, output = graph.finish()
    assert output.count("simulation has ended with status 7, restarting it in") == 2
    assert "restarting it in 0.05 s" in output
    assert "restarting it in 0.1 s" in output
    assert sum(event[:2] == ["actor", "started"] for event in graph.events()) == 1


def test_one_that_is_killed_is_restarted_and_what_it_had_started_is_gone(start):
    graph = start(program("simulation", SPAWN + WAIT), program("actor", **DRIVER))
    graph.wait_for("simulation", "child")
    deadline = time.monotonic() + 20
    while not (graph.folder / "child").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    first = next(int(event[2]) for event in graph.events() if event[:2] == ["simulation", "started"])
    time.sleep(0.1)
    child = int((graph.folder / "child").read_text())
    os.kill(first, signal.SIGKILL)
    graph.wait_for("simulation", times=2)
    assert not is_running(child)
    graph.process.send_signal(signal.SIGINT)
    _, output = graph.finish()
    assert "simulation was ended by SIGKILL, restarting it" in output


def test_one_that_keeps_failing_ends_the_graph(start):
    graph = start(program("learner", "sys.exit(9)"), program("actor", **DRIVER), restarts=2)
    code, output = graph.finish()
    assert code == 9
    assert sum(event[:2] == ["learner", "started"] for event in graph.events()) == 3
    assert "learner has ended with status 9, after 2 restarts within 60 s: giving up, stopping the others" in output
    assert ["actor", "ended"] in [event[:2] for event in graph.events()]


@pytest.mark.parametrize(("restart", "status"), [("never", 1), ("on_failure", 2)])
def test_what_may_not_be_restarted_ends_the_graph(start, restart, status):
    graph = start(program("simulation"), program("actor", f"sys.exit({status})", restart=restart, **DRIVER))
    code, _ = graph.finish()
    assert code == status
    assert sum(event[:2] == ["actor", "started"] for event in graph.events()) == 1


def test_a_good_end_that_is_not_the_end_of_the_run_is_left_alone(start):
    graph = start(program("simulation", "", ends_itself=True), program("actor", "time.sleep(0.6)", **DRIVER))
    code, output = graph.finish()
    assert code == 0
    assert "simulation has ended well, the others go on" in output
    assert sum(event[:2] == ["simulation", "started"] for event in graph.events()) == 1


def test_one_that_keeps_ending_without_an_error_is_given_up(start):
    """The others need it: without it they would fail again and again, and never say why."""
    graph = start(program("simulation", ""), program("actor", **DRIVER), restarts=2)
    code, output = graph.finish()
    assert code == 1
    assert sum(event[:2] == ["simulation", "started"] for event in graph.events()) == 3
    assert output.count("simulation has ended with status 0 before the run was over, restarting it in") == 2
    assert "before the run was over, after 2 restarts within 60 s: giving up, stopping the others" in output
    assert "ended well" not in output


def test_a_real_robot_that_ends_without_an_error_ends_the_graph(start):
    graph = start(program("robot", "", restart="never"), program("actor", **DRIVER))
    code, output = graph.finish()
    assert code == 1
    assert sum(event[:2] == ["robot", "started"] for event in graph.events()) == 1
    assert "robot has ended with status 0 before the run was over, stopping the others" in output


def test_a_program_that_cannot_be_started_is_named(start):
    graph = start({**program("learner"), "program": ["/nowhere/learner"], "restart": "never"})
    code, output = graph.finish()
    assert code == 127
    assert "learner | cannot start /nowhere/learner: No such file or directory" in output


def test_an_interruption_during_the_pause_ends_the_graph(start):
    graph = start(program("actor", "sys.exit(1)", **DRIVER), first_pause_s=60.0, longest_pause_s=60.0)
    deadline = time.monotonic() + 30
    while "restarting" not in (graph.folder / "logs" / "actor.log").read_text() if graph.events() else True:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    graph.process.send_signal(signal.SIGINT)
    assert graph.finish()[0] == 1


def test_nothing_is_left_when_the_supervisor_is_killed(start):
    """Each is asked to end, and those that do not are killed, with what they had started."""
    graph = start(
        program("simulation"),
        program("learner", SPAWN + IGNORE, grace_s=0.5),
        program("actor", **DRIVER),
    )
    for name in ("simulation", "actor"):
        graph.wait_for(name)
    graph.wait_for("learner", "child")
    time.sleep(0.3)
    pids = graph.pids()
    assert len(pids) == 4
    graph.process.kill()
    graph.wait_for("actor", "ended")
    graph.wait_for("simulation", "ended")
    graph.wait_for("learner", "asked")
    wait_until_gone(pids)


def test_what_would_finish_something_first_is_urged_to_end_when_the_supervisor_is_killed(start):
    """As a supervisor that lives does it: killed in the middle, a robot's driver could not end its motion."""
    patient = (
        "signal.signal(signal.SIGINT, lambda *_: note('asked'))\n"
        "signal.signal(signal.SIGTERM, lambda *_: (note('urged'), sys.exit(130)))\n"
        "note('ready')\nwhile True: time.sleep(60)"
    )
    graph = start(program("actor", patient, grace_s=4.0, **DRIVER))
    graph.wait_for("actor", "ready")
    graph.process.kill()
    graph.wait_for("actor", "asked")
    wait_until_gone(graph.pids())
    assert [event[:2] for event in graph.events()][-2:] == [["actor", "asked"], ["actor", "urged"]]


def test_a_process_dies_with_its_leash(start):
    graph = start(program("actor", restart="never", **DRIVER))
    graph.wait_for("actor")
    (pid,) = graph.pids()
    leash = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(leash, signal.SIGKILL)
    wait_until_gone([pid])
    assert graph.finish()[0] == 128 + signal.SIGKILL


def test_a_reader_that_goes_away_stops_the_graph_in_order(start):
    body = "while True: print('x'); time.sleep(0.05)"
    graph = start(program("simulation"), program("actor", body, **DRIVER))
    graph.wait_for("simulation")
    graph.wait_for("actor")
    graph.process.stdout.close()
    graph.process.wait(timeout=60)
    wait_until_gone(graph.pids())
    assert [event[:2] for event in graph.events() if event[1] == "ended"] == [
        ["actor", "ended"],
        ["simulation", "ended"],
    ]
