"""The file of a base policy: what comes back acts bit for bit alike, and what is wrong with a file is said."""

import pytest
import torch

from robot_rl import cli
from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.inference.samplers import DDIM
from robot_rl.inference.schedule import ScheduleSpec
from robot_rl.policies.cloning import CloningPolicy
from robot_rl.policies.diffusion import DiffusionPolicy
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig, PretrainConfig
from robot_rl.runtime.pretraining.networks import make_chunk_network
from robot_rl.runtime.pretraining.policy_file import StoredPolicy, load_policy_file, save_policy
from tests.runs import differing

torch.set_num_threads(1)

H, A = 4, 2
SPEC = BasePolicySpec((("place", 3),), action_size=A, discrete=(1,), horizon=H)
TINY = {"width": 16, "layers": 1, "heads": 2, "widths": (16,)}
FLOW = ScheduleSpec(kind="flow", prediction="flow", levels=12, clip=0.9)
CONFIGS = {
    "dit": BasePolicyConfig(network=NetworkConfig("dit", **TINY), schedule=FLOW, horizon=H, max_prefix=2),
    "unet": BasePolicyConfig(network=NetworkConfig("unet", **TINY), schedule=ScheduleSpec(levels=12), horizon=H),
    "mlp": BasePolicyConfig("cloning", NetworkConfig("mlp", **TINY), is_gaussian=True, horizon=H),
    "transformer": BasePolicyConfig("cloning", NetworkConfig("transformer", **TINY), horizon=H),
}
LEVEL = NoiseLevel(0.1, 0.2, float("inf"), 0.0)


def make_stored(name="dit", level=LEVEL):
    torch.manual_seed(0)
    network = make_chunk_network(CONFIGS[name], SPEC)
    with torch.no_grad():
        for parameter in network.parameters():  # gates that begin shut would hide what is behind them
            parameter += 0.1 * torch.randn(parameter.shape)
    network.fit_inputs(torch.randn(50, 3).numpy(), torch.rand(50, A).numpy())
    return StoredPolicy(network, CONFIGS[name], level, {"steps": 7, "revision": None})


def make_plan(network):
    generator = torch.Generator().manual_seed(1)
    is_cloning = hasattr(network, "is_gaussian")
    policy = CloningPolicy(network) if is_cloning else DiffusionPolicy(network, DDIM(3))
    frames = policy.encode_proprio(torch.randn(2, 3, generator=generator))[None]
    chunk = policy.plan(frames, torch.randn(3, H, A, generator=generator)).chunk
    return chunk, policy.to_actions(chunk)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "base" / "policy.pt"


@pytest.fixture
def content(path):
    """Of a good file, to be made worse."""
    save_policy(path, make_stored())
    return torch.load(path, weights_only=True)


# ------------------------------------------------------------------------------------ good files


@pytest.mark.parametrize("name", list(CONFIGS))
def test_plans_come_back_bit_for_bit(path, name):
    stored = make_stored(name)
    save_policy(path, stored)
    read = load_policy_file(path)
    assert (read.config, read.network.spec) == (stored.config, stored.network.spec)
    assert (read.noise_level, read.about) == (stored.noise_level, stored.about)
    assert differing(stored.network.state_dict(), read.network.state_dict()) == []
    for before, after in zip(make_plan(stored.network), make_plan(read.network), strict=True):
        assert before.std() > 0.05
        assert torch.equal(torch.as_tensor(before), torch.as_tensor(after))


def test_a_policy_that_is_not_denoised_has_no_noise_level(path):
    save_policy(path, make_stored("mlp", None))
    assert load_policy_file(path).noise_level is None


def test_a_backbone_whose_weights_are_in_the_file_need_not_be_found(path):
    config = BasePolicyConfig(
        network=NetworkConfig("dit", **TINY), horizon=H, backbone="resnet10", backbone_weights="nowhere.safetensors"
    )
    spec = BasePolicySpec((("place", 3),), A, cameras=("wrist",), image_size_px=32, horizon=H)
    network = make_chunk_network(config, spec, is_loaded=True)
    save_policy(path, StoredPolicy(network, config, None, {}))
    assert differing(load_policy_file(path).network.state_dict(), network.state_dict()) == []


@pytest.mark.parametrize("backbone", ["small_cnn", "vit"])
@pytest.mark.parametrize("weights", ["pretrained", "resnet10.safetensors"])
def test_published_weights_are_those_of_one_backbone(backbone, weights):
    with pytest.raises(ConfigError, match=rf"weights={weights} are those of a resnet10, not of .*={backbone}"):
        BasePolicyConfig(backbone=backbone, backbone_weights=weights)


@pytest.mark.parametrize(
    ("kind", "network", "said"),
    [
        ("diffusion", "dit", {"is_gaussian": True}),
        ("cloning", "mlp", {"max_prefix": 2}),
        ("cloning", "mlp", {"schedule": FLOW}),
    ],
)
def test_what_a_kind_does_not_look_at_is_refused(kind, network, said):
    with pytest.raises(ConfigError, match=rf"{next(iter(said))}=.*: base_policy.kind={kind} does not look at it"):
        BasePolicyConfig(kind, NetworkConfig(network, **TINY), horizon=H, **said)


def test_weights_of_a_backbone_need_a_camera():
    of_images = BasePolicyConfig(backbone_weights="pretrained")
    PretrainConfig(of_images, cameras=("wrist",))
    with pytest.raises(ConfigError, match=r"backbone_weights=pretrained .*: say cameras=\["):
        PretrainConfig(of_images)


def test_an_older_file_is_replaced_as_a_whole(path):
    save_policy(path, make_stored())
    save_policy(path, make_stored("mlp"))
    assert load_policy_file(path).config.kind == "cloning"
    assert [file.name for file in path.parent.iterdir()] == ["policy.pt"]


# ------------------------------------------------------------------------------------ bad files


def drop(*names):
    def change(content):
        for name in names[:-1]:
            content = content[name]
        del content[names[-1]]

    return change


def put(value, *names):
    def change(content):
        for name in names[:-1]:
            content = content[name]
        content[names[-1]] = value

    return change


def spoil(name, value):
    def change(content):
        content["weights"][name].view(-1)[0] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("schedule"), "there is no schedule in it"),
        (put(None, "schedule"), "the checkpoint has no schedule"),
        (drop("schedule", "clip"), r"schedule must have the fields .* missing are \['clip'\]"),
        (put("cubic", "schedule", "kind"), r"schedule\.kind must be one of cosine, .* got 'cubic'"),
        (put("epsilon", "schedule", "prediction"), r"schedule\.prediction=epsilon"),
        (put("many", "schedule", "levels"), "its schedule holds a value that is not valid"),
        (drop("spec"), "there is no spec in it"),
        (drop("spec", "rate_hz"), r"spec must have the fields .* missing are \['rate_hz'\]"),
        (put(1, "spec", "hertz"), r"unknown are \['hertz'\]"),
        (put(4, "spec", "past"), "past must be from 0 to horizon - 1 = 3, got 4"),
        (put(-1, "spec", "action_size"), "action_size must be at least 1, got -1"),
        (put(None, "spec"), "its spec must be a mapping, got NoneType"),
        (put("far", "spec", "horizon"), "its spec holds a value that is not valid"),
        (put([["place", -3]], "spec", "proprio"), "its spec or its config holds a value that is not valid"),
        (drop("config"), "there is no config in it"),
        (put(3, "config", "depth"), "Unknown key 'depth'"),
        (put(3, "config", "network", "depth"), "Unknown key of 'network' 'depth'"),
        (put("wide", "config", "network", "width"), r"network\.width='wide'"),
        (put("mlp", "config", "network", "name"), r"network\.name from unet, dit, residual_mlp, got mlp"),
        (put([], "config"), "its config must be a mapping, got list"),
        (drop("weights"), "there is no weights in it"),
        (put([1.0], "weights"), "its weights must be a mapping, got list"),
        (drop("weights", "normaliser.scale"), r"weights lack 'normaliser\.scale'"),
        (drop("weights", "features.mean"), r"weights lack 'features\.mean'"),
        (drop("weights", "network.head.bias"), r"weights lack 'network\.head\.bias'"),
        (put(torch.zeros(1), "weights", "network.tail"), r"weights have the unknown entry 'network\.tail'"),
        (put(torch.ones(3), "weights", "normaliser.scale"), r"'normaliser\.scale' must have shape \(2,\), got \(3,\)"),
        (
            put(torch.ones(5), "weights", "network.head.bias"),
            r"'network\.head\.bias' must have shape \(2,\), got \(5,\)",
        ),
        (put(1.0, "weights", "features.mean"), r"'features\.mean' must be a tensor, got float"),
        (put(32, "config", "network", "width"), r"must have shape .*32.*, got .*16"),
        (put(7, "spec", "action_size"), "must have shape .*7"),
        (spoil("network.head.bias", float("nan")), r"'network\.head\.bias' are not finite"),
        (spoil("normaliser.centre", float("inf")), r"'normaliser\.centre' are not finite"),
        (put({"spread": 0.1}, "noise_level"), "its noise_level holds .*motion"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_the_file_is_named(path, content, change, message):
    change(content)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_policy_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stuff", [b"", b"rubbish", None], ids=["empty", "rubbish", "cut off"])
def test_what_is_no_checkpoint_is_named(path, content, stuff):
    path.write_bytes(path.read_bytes()[:-200] if stuff is None else stuff)
    with pytest.raises(CheckpointError, match=r"policy\.pt cannot be read as a base policy .* Copy it anew") as raised:
        load_policy_file(path)
    assert "the one before" not in str(raised.value), "of a base policy there is none"


def test_another_kind_of_file_and_none_are_named(path, content):
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match=r"policy\.pt holds a list and no base policy"):
        load_policy_file(path)
    torch.save({"step": 3}, path)
    with pytest.raises(CheckpointError, match=r"policy\.pt .*: there is no spec in it; a base policy has config, spec"):
        load_policy_file(path)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"policy\.pt cannot be read"):
        load_policy_file(path)


class Malice:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("import pathlib; pathlib.Path('evidence').touch()",))


def test_no_code_in_a_file_is_run(path, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({**content, "about": Malice()}, path)
    with pytest.raises(CheckpointError, match="cannot be read as a base policy"):
        load_policy_file(path)
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [(drop("schedule"), "there is no schedule in it"), (spoil("network.head.bias", float("nan")), "are not finite")],
)
def test_the_command_says_it_in_one_line(path, content, capsys, change, message):
    change(content)
    torch.save(content, path)
    assert cli.main(["eval", f"policy={path}", "task=reach", "episodes=1"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert f"{path} is no base policy that can be used: " in err
    assert message in err
