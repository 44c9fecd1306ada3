"""Base policies from their configuration: which network, which encoder."""

from __future__ import annotations

from torch import nn

from robot_rl.agents.encoders import make_backbone
from robot_rl.agents.encoders.backbone import Backbone
from robot_rl.agents.encoders.observation import ObservationEncoder
from robot_rl.agents.encoders.pretrained import load_pretrained
from robot_rl.policies.chunk_network import ChunkNetwork
from robot_rl.policies.cloning import CloningNetwork
from robot_rl.policies.diffusion import DiffusionNetwork
from robot_rl.policies.features import ProprioFeatures
from robot_rl.policies.networks.denoiser import Denoiser
from robot_rl.policies.networks.dit import DiT, DiTSpec
from robot_rl.policies.networks.mlp import ChunkMLP, ChunkMLPSpec
from robot_rl.policies.networks.residual_mlp import ResidualMLP, ResidualMLPSpec
from robot_rl.policies.networks.transformer import ChunkTransformer, ChunkTransformerSpec
from robot_rl.policies.networks.unet import ConditionalUNet, UNetSpec
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig


def make_chunk_network(config: BasePolicyConfig, spec: BasePolicySpec, *, is_loaded: bool = False) -> ChunkNetwork:
    """An untrained policy; its random weights come from torch's generator.

    Args:
        config: what is trained.
        spec: what it sees and does.
        is_loaded: whether weights are going to be loaded, so that those of a backbone need not be found.

    Raises:
        ConfigError, SpecError: sizes that do not fit.
        SetupError: weights of the backbone are not there.
    """
    encoder = _make_encoder(config, spec, is_loaded=is_loaded) if spec.cameras else None
    if config.kind == "diffusion":

        def make_denoiser(inputs: int, outputs: int, horizon: int, condition_size: int) -> Denoiser:
            return _make_denoiser(config.network, inputs, outputs, horizon, condition_size)

        return DiffusionNetwork(spec, config.schedule, make_denoiser, encoder, config.max_prefix)

    def make_regressor(condition_size: int, outputs: int, horizon: int) -> nn.Module:
        return _make_regressor(config, condition_size, outputs, horizon)

    return CloningNetwork(spec, make_regressor, is_gaussian=config.is_gaussian, encoder=encoder)


def _make_denoiser(network: NetworkConfig, inputs: int, outputs: int, horizon: int, condition_size: int) -> Denoiser:
    if network.name == "unet":
        return ConditionalUNet(UNetSpec(inputs, outputs, horizon, condition_size, network.widths))
    if network.name == "residual_mlp":
        return ResidualMLP(ResidualMLPSpec(inputs, outputs, horizon, condition_size, network.width, network.layers))
    sizes = {"width": network.width, "layers": network.layers, "heads": network.heads}
    return DiT(DiTSpec(inputs, outputs, horizon, condition_size, **sizes))


def _make_regressor(config: BasePolicyConfig, condition_size: int, outputs: int, horizon: int) -> nn.Module:
    network = config.network
    if network.name == "mlp":
        return ChunkMLP(ChunkMLPSpec(outputs, horizon, condition_size, network.widths))
    sizes = {"width": network.width, "layers": network.layers, "heads": network.heads}
    return ChunkTransformer(
        ChunkTransformerSpec(outputs, horizon, condition_size, tokens=config.observation_steps, **sizes)
    )


def _make_encoder(config: BasePolicyConfig, spec: BasePolicySpec, *, is_loaded: bool) -> ObservationEncoder:
    backbone: Backbone = make_backbone(config.backbone, spec.image_size_px)
    if config.backbone_weights != "random" and not is_loaded:
        backbone.load_state_dict(load_pretrained(config.backbone_weights))
    size = ProprioFeatures(spec.proprio_size).size
    return ObservationEncoder(size, spec.cameras, backbone, is_frozen=True)
