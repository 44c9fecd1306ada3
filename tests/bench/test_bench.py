"""The benchmarks: their report, every key of a reduced run, and what the presets promise in contact."""

import json

import pytest

from robot_rl.bench import control, report, sim
from robot_rl.bench.control_trials import IMPACT_SPEED_M_S, IMPACT_TOLERANCE, Rig
from robot_rl.control.presets import PRESETS, preset
from robot_rl.errors import ConfigError, UnknownNameError

CONTROL_KEYS = {
    "overshoot_pct", "settle_ms", "contact_force_n", "force_budget_n", "contact_error_pct", "impact_peak_n",
    "impact_speed_m_s", "rest_error_mm", "rest_error_median_mm", "rest_motion_mm", "contact_ripple_n",
}  # fmt: skip
SIM_KEYS = {
    "env_steps_per_s", "env_steps_per_s_2cams_128", "reset_ms", "law_tick_us", "law_call_us", "mj_step_us",
    "peak_rss_mb", "cpu", "load_1m",
}  # fmt: skip


@pytest.fixture(scope="module")
def rigs():
    return [Rig(scale) for scale in (1.0, 0.5, 0.0)]


@pytest.fixture(scope="module")
def measured():
    return control.measure(["insertion", "serl"], impacts=3, moves=4)


# --- the report --------------------------------------------------------------------------------------------------


def test_last_line_is_one_json_object(capsys):
    report.print_report("title", ["name", "value"], [["a", "1"]], ["a note"], {"a": 1.5, "wins": {"b": True}})
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1]) == {"a": 1.5, "wins": {"b": True}}
    assert "a note" in lines[-2]


def test_a_wide_table_is_not_cut(capsys):
    report.print_report("t", ["x" * 60, "y" * 60], [["a", "b"]], [], {})
    out = capsys.readouterr().out
    assert "x" * 60 in out
    assert "y" * 60 in out


def test_options_take_the_type_of_their_default():
    assert report.read_options(["repeats=3"], {"repeats": 5, "presets": "a"}) == {"repeats": 3, "presets": "a"}
    with pytest.raises(UnknownNameError, match="presets, repeats"):
        report.read_options(["repeat=3"], {"repeats": 5, "presets": "a"})
    for word in ("repeats=many", "repeats=0", "repeats=-1", "repeats"):
        with pytest.raises(ConfigError):
            report.read_options([word], {"repeats": 5})


@pytest.mark.parametrize("bench", [control, sim])
def test_an_unknown_option_is_answered_with_the_valid_ones(bench):
    with pytest.raises(UnknownNameError, match="Valid are: "):
        bench.run(["colour=red"])


def test_an_unknown_preset_is_answered_with_the_valid_ones():
    with pytest.raises(UnknownNameError, match="insertion"):
        control.run(["presets=insertoin"])


# --- control -----------------------------------------------------------------------------------------------------


def test_control_measures_every_column(measured):
    assert set(measured) == {"insertion", "serl", "wins", "comparison"}
    assert measured["comparison"] == {"insertion": measured["wins"]}
    assert set(measured["wins"]) == set(control.TIES)
    for name in ("insertion", "serl"):
        values = measured[name]
        assert set(values) == CONTROL_KEYS
        assert values["impact_speed_m_s"] == pytest.approx(IMPACT_SPEED_M_S, rel=IMPACT_TOLERANCE)
        assert 50.0 < values["impact_peak_n"] < 200.0
        assert 100.0 < values["settle_ms"] < 3000.0


def test_insertion_wins_or_ties_every_column(measured):
    assert all(measured["wins"].values()), measured


def test_insertion_rests_within_a_tenth_of_a_millimetre(measured):
    assert measured["insertion"]["rest_error_mm"] <= 0.1


def test_comparison_counts_ties_and_losses():
    equal = dict.fromkeys(control.TIES, 10.0)
    worse = equal | {"settle_ms": 20.0, "impact_peak_n": 11.0}
    verdict = control.compare(worse, equal)
    assert not verdict["settle_ms"]
    assert verdict["impact_peak_n"]
    assert all(control.compare(equal, worse).values())


@pytest.mark.parametrize("name", PRESETS)
def test_contact_force_is_the_budget(rigs, name):
    force, ripple = rigs[0].press(name)
    assert force == pytest.approx(preset(name).force_budget_n()[1, 2], rel=0.05)
    assert ripple < 0.1


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("index", [1, 2])
def test_no_limit_cycle_where_friction_is_less_than_the_law_believes(rigs, name, index):
    assert rigs[index].rest_motion_mm(name) < 0.1
    assert rigs[index].press(name)[1] < 0.1


# --- sim ---------------------------------------------------------------------------------------------------------


def test_sim_measures_every_key():
    result = sim.measure(repeats=1, steps=10, picture_steps=2)
    assert set(result) == SIM_KEYS
    json.dumps(result)
    for key in SIM_KEYS - {"cpu", "load_1m"}:
        assert 0.0 < result[key] < 1e5, key
