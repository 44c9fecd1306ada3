"""A graph that runs is found on its machine, in whatever domain it is; and which of several is asked for."""

import os
import subprocess

import pytest

from robot_rl import cli
from robot_rl.errors import ConfigError
from robot_rl.runtime.commands import up
from robot_rl.runtime.processes import running_graph
from robot_rl.runtime.processes.graph import list_processes
from robot_rl.runtime.processes.running_graph import (
    RunningGraph,
    announced,
    claimed,
    find_graph,
    list_announced,
    robot_claimed,
)

LONGEST = "a" * 31 + "/" + "b" * 32


@pytest.fixture
def announce(monkeypatch):
    """Whatever runs on this machine beside the tests."""

    def announce(*graphs):
        monkeypatch.setattr(running_graph, "list_announced", lambda: set(graphs))

    return announce


@pytest.mark.parametrize("namespace", ["", "left_arm", LONGEST])
def test_a_graph_is_found_while_it_runs_and_no_longer(namespace):
    graph = RunningGraph(232, namespace)
    with announced(graph):
        assert graph in list_announced()
    assert graph not in list_announced()


OURS = f"arm_{os.getpid()}"  # other tests may run on this machine


def test_a_graph_is_claimed_once():
    graph = RunningGraph(231, OURS)
    with claimed(graph), announced(graph):
        with pytest.raises(ConfigError, match=f"in ROS domain 231.*process id {os.getpid()}.* ROS_DOMAIN_ID"):
            claimed(graph).__enter__()
        with claimed(RunningGraph(231, f"{OURS}/b")), claimed(RunningGraph(230, OURS)):
            pass
    with claimed(graph):
        pass


def test_a_graph_whose_processes_are_still_ending_runs():
    graph = RunningGraph(231, OURS)
    with claimed(graph) as claim:
        left = subprocess.Popen(["sleep", "60"], pass_fds=[claim])
    try:
        with pytest.raises(ConfigError, match="still ending"):
            claimed(graph).__enter__()
    finally:
        left.kill()
        left.wait()
    with claimed(graph):
        pass


def test_a_robot_is_served_by_one_process_in_each_place():
    """Whatever has started it, so that its own graph's claim is no hindrance."""
    graph = RunningGraph(231, OURS)
    is_refused = pytest.raises(ConfigError, match=f"A robot is served already in ROS domain 231, namespace {OURS}")
    with claimed(graph), robot_claimed(graph), robot_claimed(RunningGraph(231, f"{OURS}/b")), is_refused:
        robot_claimed(graph).__enter__()
    with robot_claimed(graph):
        pass


def test_a_second_graph_in_one_domain_is_refused_before_it_leaves_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROS_DOMAIN_ID", "228")
    with claimed(RunningGraph(228, OURS)), pytest.raises(ConfigError, match="runs already in ROS domain 228"):
        up.run("teleop", ["task=reach", "teleop=expert"], f"/{OURS}")
    assert list(tmp_path.iterdir()) == []


def test_a_namespace_that_could_not_be_announced_is_refused():
    list_processes("evaluate", ["task=reach"], LONGEST)
    with pytest.raises(ConfigError, match="at most 64"):
        list_processes("evaluate", ["task=reach"], LONGEST + "b")


@pytest.mark.parametrize("namespace", ["9arm", "left arm", "left//arm", "left-arm", LONGEST + "b"])
def test_what_is_no_namespace_is_refused_in_one_line(namespace, capsys):
    with pytest.raises(ConfigError, match="is no namespace: letters, digits and _, at most 64, not beginning with"):
        RunningGraph(3, namespace)
    for words in (["where"], ["recover"], ["keyboard"], ["up", "evaluate", "task=reach"]):
        assert cli.main([*words, "--namespace", namespace]) == 2
        error = capsys.readouterr().err
        assert f"{namespace!r} is no namespace" in error
        assert "Traceback" not in error


LEFT, RIGHT, ALONE = RunningGraph(3, "left"), RunningGraph(3, "right"), RunningGraph(7)


@pytest.mark.parametrize(
    ("domain", "namespace", "said", "graphs", "expected"),
    [
        (None, None, {}, [ALONE], ALONE),
        (None, None, {}, [], RunningGraph(0)),
        (None, "/left", {}, [LEFT, RIGHT, ALONE], LEFT),
        (7, None, {}, [LEFT, RIGHT, ALONE], ALONE),
        (None, None, {"ROS_DOMAIN_ID": "7"}, [LEFT, RIGHT, ALONE], ALONE),
        (7, None, {"ROS_DOMAIN_ID": "3"}, [LEFT, RIGHT, ALONE], ALONE),
        (5, "left", {}, [LEFT, RIGHT, ALONE], RunningGraph(5, "left")),  # started by something else
        (3, "", {}, [LEFT, RunningGraph(3)], RunningGraph(3)),
    ],
)
def test_the_graph_that_is_meant_is_found(announce, domain, namespace, said, graphs, expected):
    announce(*graphs)
    assert find_graph(domain, namespace, said) == expected


def test_of_several_graphs_one_has_to_be_said(announce):
    announce(LEFT, RIGHT, ALONE)
    with pytest.raises(ConfigError, match=r"2 graphs run .* --domain 3 --namespace left, or --domain 3 --namespace r"):
        find_graph(3, None, {})


@pytest.mark.parametrize(("domain", "text"), [(233, ""), (-1, ""), (None, "two"), (None, "-1"), (None, "233")])
def test_what_is_no_domain_is_refused(announce, domain, text):
    announce()
    with pytest.raises(ConfigError, match="from 0 to 232, got"):
        find_graph(domain, None, {"ROS_DOMAIN_ID": text})


@pytest.mark.parametrize("domain", ["", "17"])
def test_up_announces_its_graph_and_says_what_a_person_has_to_start(tmp_path, capsys, monkeypatch, domain):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    before, seen = list_announced(), []

    class Supervisor:
        def __init__(self, processes, log, environment, keep):
            del log, keep
            assert "keyboard" not in {process.name for process in processes}
            self._domain = int(environment["ROS_DOMAIN_ID"])

        def run(self):
            seen.append(RunningGraph(self._domain, "left_arm") in list_announced() - before)
            seen.append(self._domain)
            return 0

        def result(self):
            return ""

    monkeypatch.setattr(up, "Supervisor", Supervisor)
    assert up.run("teleop", ["task=reach", "teleop=keyboard", "graph=real_time"], "/left_arm") == 0
    is_announced, chosen = seen
    assert is_announced
    assert chosen == int(domain or chosen)
    assert f"another terminal: robot-rl keyboard --namespace left_arm --domain {chosen}\n" in capsys.readouterr().out
