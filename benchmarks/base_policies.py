"""Base policies that succeed about half of the time, for what is learned on top of them.

    python benchmarks/base_policies.py peg bc

records the demonstrations, trains, and evaluates; the folder of the policy is runs/base-peg-bc. They are weak because
their demonstrations are few: a corrector needs something to correct. The numbers of a run are those of docs/results.md
up to the machine's arithmetic.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from robot_rl import cli
from robot_rl.data.store_reader import StoreReader

EPISODES = {
    ("peg", "bc"): 20,
    ("plug", "bc"): 30,
    ("pick_cube", "bc"): 6,
    ("peg", "mlp"): 100,
    ("plug", "mlp"): 60,
    ("pick_cube", "mlp"): 5,
}
"""(task, policy) -> demonstrations."""
STEPS = {"bc": 3000, "mlp": 4000}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted({task for task, _ in EPISODES}))
    parser.add_argument("policy", choices=sorted({policy for _, policy in EPISODES}), help="bc, or mlp for diffusion")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="where the runs go (default: runs)")
    parser.add_argument("--episodes", type=int, default=100, help="of the evaluation (default: 100)")
    chosen = parser.parse_args()
    count = EPISODES[chosen.task, chosen.policy]
    store, run = (chosen.folder / f"{kind}-{chosen.task}-{chosen.policy}" for kind in ("demonstrations", "base"))
    commands = [
        [
            *(
                "pretrain",
                f"policy={chosen.policy}",
                f"data={store}",
                f"run_dir={run}",
                f"steps={STEPS[chosen.policy]}",
            ),
            *("batch_size=128", "learning_rate=1e-3", "log_every_steps=500"),
        ],
        ["eval", f"policy={run}", f"task={chosen.task}", f"episodes={chosen.episodes}", "seed=100"],
    ]
    if store.exists():
        kept = len(StoreReader(store).successful_episodes())
        if kept != count:
            sys.exit(f"{store} has {kept} demonstrations instead of {count}: delete it, and they are recorded anew")
    else:
        commands.insert(0, ["record", f"task={chosen.task}", f"episodes={count}", f"store={store}", "seed=7"])
    for words in commands:
        print("robot-rl", *words, flush=True)
        status = cli.main(words)
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
