"""The benchmark of inference measures every key."""

import json

import numpy as np
import pytest

from robot_rl.bench import inference
from robot_rl.policies.networks.product import Precision
from robot_rl.runtime.pretraining.config import NetworkConfig


@pytest.fixture
def is_small(monkeypatch):
    networks = {
        name: (NetworkConfig("dit", width=16, layers=1, heads=2), Precision.FLOAT32) for name in inference.MODELS
    }
    monkeypatch.setattr(inference, "MODELS", networks)
    monkeypatch.setattr(inference, "RATES_HZ", (10, 20))


def test_it_measures_every_key(is_small):
    result = inference.measure(decisions=2, seconds=1, rate_seconds=1, load=1)
    assert set(result) == {"unet_64_128_256", "unet_256_512_1024", "dit_128x4"}
    for figures in result.values():
        assert set(figures) == {*inference.SAMPLERS, "misses_per_10k", "overhead_ms", "precision"}
        for key in inference.SAMPLERS:
            assert figures[key]["decisions"] == 2
            assert 0.0 < figures[key]["ms_p50"] <= figures[key]["ms_p99"] <= figures[key]["ms_max"]
        assert set(figures["misses_per_10k"]) == {"10", "20"}
        assert all(0.0 <= value <= 1e4 for value in figures["misses_per_10k"].values())
        assert figures["overhead_ms"] > 0.0
    json.dumps(result)
    assert set(inference.TARGETS) - set(inference._flatten(result)) == {"unet_64_128_256 misses 50 Hz"}


def test_the_relays_evaluate_as_often_as_their_name_says(is_small):
    policy = inference.make_policy("dit_128x4", inference.SAMPLERS["nfe3"])
    asked = []
    network = policy.denoiser

    class Counting:
        schedule, is_prefix_trained, prepare = network.schedule, False, staticmethod(network.prepare)

        def __call__(self, *given):
            asked.append(given[1])
            return network(*given)

    policy.denoiser = Counting()
    inference.time_decisions(policy, 2, 5.0)
    assert len(asked) == 2 * 3


def test_a_policy_that_is_never_in_time_misses_every_tick(is_small, monkeypatch):
    policy = inference.make_policy("dit_128x4", inference.SAMPLERS["nfe2"])
    monkeypatch.setattr(inference.Engine, "decide", lambda self: True)
    assert inference.count_misses(policy, 20, 0.5) == 1e4
    assert np.isfinite(inference.time_overhead(policy, 2))
