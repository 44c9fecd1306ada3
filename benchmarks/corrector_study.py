"""Correctors beside each other and beside learning from nothing, on one frozen base policy.

    python benchmarks/corrector_study.py peg --base runs/base-peg-bc --methods additive rlpd --seeds 0 1 2

trains what was not trained yet, goes on with what was cut off or has fewer steps, and makes the table and the picture
of these methods and seeds. With --person the scripted person helps in training, as `robot-rl train` does by default.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from robot_rl import cli
from robot_rl.runtime.run_folder import RunFolder

PUBLISHED = (
    *(
        "agent.pretrain_updates=0",
        "agent.corrector.keeps_base=false",
        "agent.corrector.subsample=2",
        "agent.corrector.scale=0.1",
        "agent.corrector.noise_std=0.05",
    ),
    *("agent.corrector.target_noise_std=0.05", "agent.corrector.target_noise_limit=0.3"),
    *("agent.corrector.gamma=0.99", "agent.corrector.return_range=null"),
    *("agent.corrector.critic_learning_rate=1e-4", "agent.corrector.actor_learning_rate=1e-6"),
    *("agent.corrector.imitation_weight=0", "agent.corrector.actor_warmup_updates=0", "agent.warmup_steps=1000"),
    "agent.takeover_discount=1",
    "replay.shares={online: 0.5, demonstration: 0.5, intervention: 0.0, anchor: 0.0}",
)
"""What arXiv 2509.19301 uses where ours is another; its 10 000 steps of warm-up are a tenth, as everything here."""
FROM_NOTHING = {"rlpd": ("agent=rlpd",), "hil_serl": ("agent=hil_serl",)}
"""Without the base policy, ours and as published (arXiv 2410.21845); with the same demonstrations."""
METHODS: dict[str, tuple[str, ...]] = {
    "base": ("corrector=identity", "agent.corrector.critic_updates=0", "agent.utd=1"),
    "additive": ("corrector=additive",),
    "additive_published": ("corrector=additive", *PUBLISHED),
    "chooser": ("corrector=chooser",),
    "edit_select": ("corrector=edit_select",),
    "best_of_n": ("corrector=best_of_n",),
    "noise_steer": ("corrector=noise_steer",),
    **FROM_NOTHING,
}
ABLATIONS: dict[str, tuple[str, ...]] = {
    "no_choice": ("agent.corrector.keeps_base=false",),
    "no_layer_norm": ("agent.corrector.has_layer_norm=false",),
    "anchor": ("replay.shares={online: 0.4, demonstration: 0.25, intervention: 0.25, anchor: 0.1}",),
    "scale_0.2": ("agent.corrector.scale=0.2",),
    "scale_1": ("agent.corrector.scale=1.0",),
    "one_step": ("agent.n_step=1",),
    "five_steps": ("agent.n_step=5",),
    "no_pretrain": ("agent.pretrain_updates=0",),
    "actor_3e-4": ("agent.corrector.actor_learning_rate=3e-4",),
    "no_caution": ("agent.corrector.caution_updates=0",),
    "takeovers_count": ("agent.takeover_discount=1",),
    "least_of_two": ("agent.corrector.subsample=2",),
    "average_0.999": ("agent.corrector.average_decay=0.999",),
    "slow": (
        *("agent.pretrain_updates=0", "agent.warmup_steps=500", "agent.corrector.actor_warmup_updates=2000"),
        *("agent.corrector.actor_learning_rate=3e-4", "agent.corrector.average_decay=0.999"),
        *("agent.corrector.caution_updates=0", "agent.corrector.subsample=2", "agent.takeover_discount=1"),
    ),
    "no_actor_warmup": ("agent.corrector.actor_warmup_updates=0",),
    "gate": ("agent.corrector.actor_warmup_updates=0", "agent.corrector.gate_steps=1000"),
    "no_critic_phase": ("agent.corrector.critic_updates=0",),
    "no_imitation": ("agent.corrector.imitation_weight=0",),
    "utd_1": ("agent.utd=1",),
    "utd_2": ("agent.utd=2",),
    "execute_8": ("inference.executor.execute=8",),
    "execute_8_phase": ("inference.executor.execute=8", "agent.corrector.plan_steps=8"),
}
"""What a part of additive is worth: additive, but for these words."""
WORDS = METHODS | {name: (*METHODS["additive"], *words) for name, words in ABLATIONS.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base policy")
    known = f"{', '.join(METHODS)} (default: these); parts of additive: {', '.join(ABLATIONS)}"
    parser.add_argument(
        "--methods", nargs="+", choices=list(WORDS), default=list(METHODS), metavar="METHOD", help=known
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=10_000, help="environment steps of a run (default: 10000)")
    parser.add_argument(
        "--every", type=int, default=2500, help="steps between two evaluations, 0 for one at the end (default: 2500)"
    )
    parser.add_argument("--episodes", type=int, default=100, help="of each evaluation (default: 100)")
    parser.add_argument("--person", action="store_true", help="the scripted person helps in training")
    parser.add_argument("--folder", type=Path, default=Path("runs/correctors"), help="default: runs/correctors")
    chosen = parser.parse_args()
    kind = "person" if chosen.person else "alone"
    groups = []
    for method in chosen.methods:
        stem = chosen.folder / f"{chosen.task}-{kind}-{method}"
        runs = {seed: Path(f"{stem}-{seed}") for seed in chosen.seeds}
        for seed, run in runs.items():
            status = _train(chosen, method, seed, run)
            if status:
                return status
        groups.append(f"{method}={','.join(map(str, runs.values()))}")
    picture = str(chosen.folder / f"{chosen.task}-{kind}.png")
    every = chosen.every or chosen.steps
    at = [str(step) for step in range(every, chosen.steps + 1, every)]
    return cli.main(["compare", *groups, "--picture", picture, "--title", f"{chosen.task}, {kind}", "--at", *at])


def _train(chosen: argparse.Namespace, method: str, seed: int, run: Path) -> int:
    """Train one run to its end, from wherever it is: it is never made shorter."""
    folder, evaluations = RunFolder(run), _to_evaluations(chosen)
    if folder.config_file.is_file():
        if folder.finished_steps() >= chosen.steps:
            return 0
        is_longer = folder.count_steps() > chosen.steps  # cut off on the way to its own end
        return cli.main(["resume", str(run), *(evaluations[1:] if is_longer else evaluations)])
    words = [f"task={chosen.task}", f"seed={seed}", f"run_dir={run}", *evaluations, *WORDS[method]]
    words.append(f"teleop={'human' if chosen.person else 'none'}")
    if method not in FROM_NOTHING:
        words.append(f"base={chosen.base}")
    print("robot-rl train", *words, flush=True)
    return cli.main(["train", *words])


def _to_evaluations(chosen: argparse.Namespace) -> tuple[str, ...]:
    """How long a run is and how it is looked at, which may be another when it goes on."""
    return (
        f"steps={chosen.steps}",
        f"evaluate_every_steps={chosen.every}",
        f"evaluation_episodes={chosen.episodes}",
        f"final_episodes={chosen.episodes}",
    )


if __name__ == "__main__":
    sys.exit(main())
