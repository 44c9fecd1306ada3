"""`robot-rl pretrain` on tiny recordings: what it writes, how it goes on, and what it cannot learn from."""

import importlib
import json
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.data.episode import Episode
from robot_rl.data.exchange import FORMATS
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.inference.schedule import ScheduleSpec
from robot_rl.runtime.acting import named_policy
from robot_rl.runtime.acting.shadow import make_shadow
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.policy_config import EvalConfig
from robot_rl.runtime.pretraining import run as pretraining_run
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig, PretrainConfig
from robot_rl.runtime.pretraining.policy_file import find_origin, load_policy_file
from robot_rl.runtime.pretraining.run import pretrain
from robot_rl.runtime.pretraining.sources import EachOnce, open_sources
from robot_rl.runtime.pretraining.training import _split
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from tests.runs import differing

torch.set_num_threads(1)

SIZE_PX = 32
DIT = ("policy=dit", "policy.network.width=16", "policy.network.layers=1", "policy.network.heads=2")
TINY = (*DIT, "policy.horizon=4", "batch_size=8", "steps=6", "log_every_steps=2", "device=cpu", "validation_share=0.25")
BC = ("policy=bc", "policy.network.widths=[16]", *TINY[len(DIT) :], "steps=2")
SMALL_CONFIG = BasePolicyConfig(
    network=NetworkConfig("dit", width=16, layers=1, heads=2), schedule=ScheduleSpec(levels=12), horizon=4
)


def make_episode(number, length=9, has_images=False, pose_size=3, **changes):
    generator = np.random.default_rng(number)
    actions = generator.uniform(-1.0, 1.0, (length, 7)).astype(np.float32)
    actions[:, 6] = generator.integers(-1, 2, length)
    pictures = generator.integers(0, 256, (length + 1, SIZE_PX, SIZE_PX, 3), np.uint8)
    values = {
        "proprio": {
            "pose": generator.normal(size=(length + 1, pose_size)).astype(np.float32),
            "width": generator.normal(size=(length + 1, 1)).astype(np.float32),
        },
        "images": {"wrist": pictures} if has_images else {},
        "stamps_ns": 100_000_000 * np.arange(1, length + 2),
        "actions": actions,
        "rewards": np.zeros(length, np.float32),
        "sources": np.zeros(length, np.int8),
        "policy_versions": np.full(length, -1, np.int64),
        "is_terminal": True,
        "is_success": True,
    }
    return Episode(**(values | changes))


def make_episodes(count=4, **more):
    return [make_episode(number, 8 + number, **more) for number in range(count)]


def write_store(path, episodes, attributes=None):
    parts = {name: ArraySpec(name, rows.shape[1:], np.float32) for name, rows in episodes[0].proprio.items()}
    images = {name: ArraySpec(name, rows.shape[1:], np.uint8) for name, rows in episodes[0].images.items()}
    spec = EnvironmentSpec(ObservationSpec(parts, images), 7, 100, 10.0)
    with StoreWriter(path, spec, attributes or {}) as writer:
        for number, episode in enumerate(episodes):
            for record in episode.records(number):
                writer.append(record)
    return str(path)


@pytest.mark.parametrize(("level", "expected"), [("standard", "peg"), ("hard", "peg_hard")])
def test_the_policy_says_how_hard_the_task_of_its_recordings_is(tmp_path, level, expected):
    store = write_store(tmp_path / "store", make_episodes(2), {"task": "peg", "level": level})
    task = open_sources([store], None).task
    assert task == expected
    config = configuration.load(EvalConfig, "eval", [f"task={task}"]).task
    assert (config.name, config.level) == ("peg", level)


def test_the_policy_says_what_its_actions_mean(capsys, tmp_path):
    told = {"task": "reach", "config_yaml": "task: {episode: {action_frame: base, translation_scale_m: 0.003}}"}
    store = write_store(tmp_path / "store", make_episodes(2), told)
    other = write_store(tmp_path / "other", make_episodes(2), {"config_yaml": "task: {episode: {action_frame: tcp}}"})
    message = (
        f"an action of {store} means another motion than one of {other}: task.episode.action_frame=base, and here tcp"
    )
    assert message in refused(capsys, f"data=[{store},{other}]")
    unknown = write_store(tmp_path / "unknown", make_episodes(2), {})
    run = tmp_path / "run"
    assert cli.main(["pretrain", *BC, f"data=[{unknown},{store}]", f"run_dir={run}"]) == 0
    assert find_origin(run / "policy.pt").meaning == {"action_frame": "base", "translation_scale_m": 0.003}

    def evaluated(*words):
        words = (f"policy={run}", *words)
        return named_policy.resolve(configuration.load(EvalConfig, "eval", words), "eval", words).task

    episode = evaluated().episode
    assert (episode.action_frame, episode.translation_scale_m) == ("base", 0.003)
    assert evaluated("task.episode.translation_scale_m=0.01").episode.translation_scale_m == 0.01, "said"
    config = configuration.load(TrainConfig, "train", ["corrector=additive", f"base={run}", "task=reach"])
    with pytest.raises(ConfigError, match="means another motion than one of this run"):
        make_shadow(config, None, None, is_lock_step=True)


@pytest.mark.parametrize(("tasks", "expected"), [(["plug"], "plug"), (["plug", "peg"], None), (["plug", None], None)])
def test_the_policy_says_which_task_its_recordings_are_of(capsys, tmp_path, tasks, expected):
    stores = [
        write_store(tmp_path / f"{number}", make_episodes(2), {} if task is None else {"task": task})
        for number, task in enumerate(tasks)
    ]
    assert cli.main(["pretrain", *BC, f"data=[{','.join(stores)}]", f"run_dir={tmp_path / 'run'}"]) == 0
    assert find_origin(tmp_path / "run" / "policy.pt").task == expected
    hint = f"wrote {tmp_path}/run/policy.pt; try it with: robot-rl eval policy={tmp_path}/run"
    assert f"{hint}{'' if expected else ' task=TASK'}" in capsys.readouterr().out.splitlines(), "one line to copy"


@pytest.mark.parametrize(("name", "what"), [("config.yaml", "a training run"), ("store.json", "a recording")])
def test_a_folder_of_something_else_becomes_no_training(tmp_path, capsys, name, what):
    (tmp_path / name).write_text("{}")
    assert cli.main(["pretrain", *BC, "data=nowhere", f"run_dir={tmp_path}"]) == 2
    assert f"holds {what}, as its {name} says: choose another run_dir" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def export(layout, path, episodes):
    module = importlib.import_module(FORMATS[layout])
    module.export_episodes(iter(episodes), path, rate_hz=10.0, task="toy")
    return str(path)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "demonstrations", make_episodes())


def command(capsys, *words):
    """(exit code, last line printed, standard error)."""
    code = cli.main(["pretrain", *words])
    out, err = capsys.readouterr()
    return code, (out.splitlines() or [""])[-1], err


def refused(capsys, *words):
    """The one line with which the command ends."""
    code, _, err = command(capsys, *BC, "run_dir=refused", *words)
    assert code == 2, err
    assert len(err.splitlines()) == 1, err
    return err


def make_config(data, run_dir="run", **more):
    values = {"steps": 6, "batch_size": 8, "log_every_steps": 2, "device": "cpu", "validation_share": 0.25}
    return PretrainConfig(SMALL_CONFIG, (data,), run_dir=run_dir, **(values | more))


def go_on(step, loss):
    return True


def read_rows(*data, **more):
    config = replace(make_config(""), data=data, **more)
    return pretraining_run._read(open_sources(config.data, config.rate_hz), config)


def as_bytes(rows):
    images = {name: pictures.tobytes() for name, pictures in rows.images.items()}
    return rows.proprio.tobytes(), rows.actions.tobytes(), rows.starts.tolist(), images


# ------------------------------------------------------------------------------------ the command


def test_a_policy_a_picture_and_the_configuration_are_written_and_json_is_printed(capsys, tmp_path, store):
    code, line, _ = command(capsys, *TINY, f"data={store}", "run_dir=base", "seed=3")
    figures = json.loads(line)
    assert code == 0
    assert {"run": "base", "episodes": 4, "control_steps": 38, "steps": 6}.items() <= figures.items()
    assert np.isfinite(figures["validation_loss"])
    assert figures["noise"]["sigma"] > 0.0
    assert (tmp_path / "base/losses.png").read_bytes().startswith(b"\x89PNG")
    written = yaml.safe_load((tmp_path / "base/pretrain.yaml").read_text())
    assert (written["seed"], written["data"], written["base_policy"]["horizon"]) == (3, [store], 4)
    stored = load_policy_file(tmp_path / "base/policy.pt")
    spec = stored.network.spec
    assert (spec.proprio, spec.action_size, spec.discrete, spec.horizon) == ((("pose", 3), ("width", 1)), 7, (6,), 4)
    assert stored.about["steps"] == 6
    assert configuration.from_yaml(PretrainConfig, stored.about["config_yaml"]).seed == 3


@pytest.mark.parametrize(
    "words",
    [
        ("policy=beso", *DIT[1:]),
        ("policy=rtc", *DIT[1:], "policy.max_prefix=2"),
        ("policy=ptp", "policy.network.widths=[16]", "policy.past=2", "policy.observation_steps=3"),
        ("policy=bc_gaussian", "policy.network.widths=[16]"),
        ("policy=bc_transformer", *DIT[1:]),
        ("policy=dit", *DIT[1:], "policy.schedule.levels=4"),
    ],
    ids=lambda words: "_".join(words[0].split("=")[1:]) + ("_of_few_levels" if "levels" in words[-1] else ""),
)
def test_every_kind_of_policy_is_trained(capsys, tmp_path, store, words):
    code, line, err = command(capsys, *TINY[len(DIT) :], *words, f"data={store}", "run_dir=base", "steps=2")
    assert (code, err) == (0, "")
    assert (json.loads(line)["noise"] is None) == words[0].startswith("policy=bc")
    assert load_policy_file(tmp_path / "base/policy.pt").network.spec.horizon == 4


def test_with_a_camera_it_is_trained(capsys, tmp_path):
    store = write_store(tmp_path / "seen", make_episodes(2, has_images=True))
    words = (*TINY, f"data={store}", "cameras=wrist", "policy.backbone=small_cnn", "steps=2", "validation_share=0.5")
    code, _, err = command(capsys, *words, "run_dir=base")
    assert (code, err) == (0, "")
    stored = load_policy_file(tmp_path / "base/policy.pt")
    assert (stored.network.spec.cameras, stored.network.spec.image_size_px) == (("wrist",), SIZE_PX)
    assert any(name.startswith("encoder.heads.wrist") for name in stored.network.state_dict())
    assert "there is no camera 'top'; there are: wrist" in refused(capsys, f"data={store}", "cameras=top")


def test_images_are_not_kept_once_they_were_looked_at(tmp_path, monkeypatch):
    store = write_store(tmp_path / "seen", make_episodes(2, has_images=True))
    config = replace(
        make_config(store, steps=2, validation_share=0.5, cameras=("wrist",)),
        base_policy=replace(SMALL_CONFIG, backbone="small_cnn"),
    )
    look, looked_at = pretraining_run._look, []

    def note(network, rows, device):
        looked_at.append(weakref.ref(rows.images["wrist"]))
        return look(network, rows, device)

    monkeypatch.setattr(pretraining_run, "_look", note)
    alive = []
    assert pretrain(config, lambda step, loss: alive.append(looked_at[0]() is not None) or True).policy is not None
    assert alive == [False, False]


# ------------------------------------------------------------------------------------ going on


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, store):
    whole = pretrain(make_config(store, "whole"), go_on)
    config = make_config(store, "parts", checkpoint_every_steps=2)
    for stop in (1, 4):
        part = pretrain(config, lambda step, loss, stop=stop: step != stop)
        assert (part.policy, part.figures["steps"]) == (None, stop)
    assert not (tmp_path / "parts/policy.pt").exists()
    seen = []
    second = pretrain(config, lambda step, loss: seen.append(step) or True)
    assert seen == [5, 6]
    one, other = (load_policy_file(result.policy) for result in (whole, second))
    assert differing(one.network.state_dict(), other.network.state_dict()) == []
    assert one.noise_level == other.noise_level
    assert whole.figures["validation_loss"] == second.figures["validation_loss"]

    again = pretrain(config, lambda step, loss: seen.append(step) or True)
    assert seen == [5, 6], "a training that has ended is not begun again"
    assert again.figures == second.figures
    assert differing(other.network.state_dict(), load_policy_file(again.policy).network.state_dict()) == []


def test_another_seed_ends_with_other_weights(store):
    results = [pretrain(make_config(store, f"run{seed}", seed=seed, steps=1), go_on) for seed in (0, 1)]
    one, other = (load_policy_file(result.policy).network.state_dict() for result in results)
    assert any(name.startswith("/network.") for name in differing(one, other))


def test_other_words_for_the_same_folder_are_refused(capsys, tmp_path, store):
    words = (*BC, f"data={store}", "log_every_steps=1")
    assert command(capsys, *words, "run_dir=refused")[0] == 0
    changes = (
        (["seed=1"], "seed (it has 0, the command 1)"),
        (["steps=7"], "steps (it has 2, the command 7)"),
        (["policy.horizon=6"], "base_policy.horizon (it has 4, the command 6)"),
        (["policy.network.widths=[8]", "seed=1"], "base_policy.network.widths (it has [16], the command [8]), seed"),
    )
    for change, names in changes:
        message = refused(capsys, *words, *change)
        assert f"refused holds another training: {names}" in message
        assert "Config(" not in message
    assert yaml.safe_load((tmp_path / "refused/pretrain.yaml").read_text())["seed"] == 0
    (tmp_path / "refused").rename("elsewhere")
    assert command(capsys, *words, "run_dir=elsewhere", "log_every_steps=3", "threads=1")[0] == 0, "these may differ"


def test_a_damaged_checkpoint_is_named(capsys, tmp_path, store):
    words = (*BC, f"data={store}")
    assert command(capsys, *words, "run_dir=refused")[0] == 0
    (file,) = (tmp_path / "refused/checkpoints").iterdir()
    file.write_bytes(b"rubbish")
    assert f"{file.relative_to(tmp_path)} cannot be read" in refused(capsys, *words)
    torch.save({"step": 3}, file)
    assert f"{file.relative_to(tmp_path)}: the training cannot be gone on with: 'network'" in refused(capsys, *words)
    (tmp_path / "refused/pretrain.yaml").write_text("steps: [")
    assert "this is not YAML" in refused(capsys, *words)
    (tmp_path / "refused/pretrain.yaml").write_bytes(b"\xff\xfe\x80")
    assert "refused/pretrain.yaml is damaged, or of another version: this is not text" in refused(capsys, *words)


def test_words_that_were_refused_do_not_claim_the_folder(capsys, tmp_path, store):
    assert "there is no recording nowhere" in refused(capsys, "data=nowhere")
    assert not (tmp_path / "refused").exists()
    assert command(capsys, *BC, f"data={store}", "run_dir=refused")[0] == 0


# ------------------------------------------------------------------------------------ the data


@pytest.mark.parametrize("layout", sorted(FORMATS))
def test_other_layouts_give_the_same_rows_bit_by_bit(tmp_path, layout):
    episodes = make_episodes(has_images=True)
    store = write_store(tmp_path / "demonstrations", episodes)
    suffix = {"robomimic": ".hdf5", "diffusion_policy": ".zarr", "lerobot": ""}[layout]
    exported = export(layout, tmp_path / f"foreign{suffix}", episodes)
    (ours, our_spec), (theirs, their_spec) = (read_rows(path, cameras=("wrist",)) for path in (store, exported))
    assert len(ours) == 38
    assert set(ours.actions[:, 6]) == {-1.0, 1.0}, "the gripper's commands are held"
    assert as_bytes(ours) == as_bytes(theirs)
    assert our_spec == their_spec


def test_two_paths_are_read_one_behind_the_other(tmp_path):
    episodes = make_episodes(5)
    first, second = write_store(tmp_path / "a", episodes[:2]), write_store(tmp_path / "b", episodes[2:])
    whole = write_store(tmp_path / "whole", episodes)
    assert as_bytes(read_rows(first, second)[0]) == as_bytes(read_rows(whole)[0])
    assert read_rows(second, first)[0].proprio[0].tolist() == read_rows(second)[0].proprio[0].tolist()


def test_what_a_base_policy_planned_is_left_out_of_the_observations_of_a_run(tmp_path):
    episodes = make_episodes(3)
    answered = [
        replace(each, proprio={**each.proprio, "base_plans": np.ones((len(each) + 1, 28), np.float32)})
        for each in episodes
    ]
    ours, plain = (write_store(tmp_path / name, of) for name, of in (("run", answered), ("plain", episodes)))
    (rows, spec), (expected, other) = read_rows(ours), read_rows(plain)
    assert spec == other
    assert as_bytes(rows) == as_bytes(expected)
    others = write_store(tmp_path / "others", [make_episode(number) for number in (7, 8, 9)])
    assert len(read_rows(ours, others)[0].starts) == 7, "they go together"
    assert as_bytes(read_rows(ours, plain)[0]) == as_bytes(rows), "to the policy they are the same"


def test_only_so_many_successful_and_whole_episodes_are_used(tmp_path):
    episodes = make_episodes(6)
    episodes[0] = replace(episodes[0], is_success=False)
    episodes[2] = replace(episodes[2], is_complete=False)
    store = write_store(tmp_path / "store", episodes)
    lengths = [np.diff(read_rows(store, episodes=count)[0].starts).tolist() for count in (0, 2, 4)]
    assert lengths == [[9, 11, 12, 13], [9, 11], [9, 11, 12, 13]]
    with pytest.raises(ConfigError, match=r"has 4 episodes to learn from; episodes=9 asks for more"):
        read_rows(store, episodes=9)


def write_paused(path, pauses):
    """A recording of episodes of 8, 9, ... steps, each with a pause in the time step that `pauses` says, if any."""
    episodes = make_episodes(len(pauses))
    parts = {name: ArraySpec(name, rows.shape[1:], np.float32) for name, rows in episodes[0].proprio.items()}
    with StoreWriter(path, EnvironmentSpec(ObservationSpec(parts, {}), 7, 100, 10.0), {}) as writer:
        for number, (episode, pause) in enumerate(zip(episodes, pauses, strict=True)):
            for record in episode.records(number):
                is_after = pause is not None and record.step >= pause
                writer.append(replace(record, step=record.step + is_after))
    return str(path), episodes


def test_what_was_done_before_a_pause_is_learned_from_too(tmp_path):
    store, episodes = write_paused(tmp_path / "store", [None, 4, None, None])
    rows, _ = read_rows(store)
    assert np.diff(rows.starts).tolist() == [8, 3, 5, 10, 11], "of 9 steps one ended in the pause"
    np.testing.assert_array_equal(rows.actions[8:11, :6], episodes[1].actions[:3, :6])
    np.testing.assert_array_equal(rows.actions[11:16, :6], episodes[1].actions[4:, :6])
    assert rows.chunk_rows(np.array([10]), 4, 1).tolist() == [[9, 10, 10, 10]], "no chunk reaches across it"
    assert (rows.episodes, rows.select([1]).tolist()) == (4, list(range(8, 16))), "all of it is held out, or nothing"
    assert np.diff(read_rows(store, episodes=2)[0].starts).tolist() == [8, 3, 5], "and it counts as one"


@pytest.mark.parametrize(("pause", "lengths"), [(9, [8, 10, 8]), (8, [8, 7, 10]), (2, [8, 7, 10])])
def test_a_single_step_beside_a_pause_does_not_refuse_the_recording(tmp_path, pause, lengths):
    store, _ = write_paused(tmp_path / "store", [None, pause, None])
    assert np.diff(read_rows(store)[0].starts).tolist() == lengths


@pytest.mark.parametrize(
    ("layout", "name"), [("diffusion_policy", "a.zarr"), ("lerobot", "a"), ("robomimic", "a.hdf5")]
)
def test_what_a_data_set_marks_as_failed_is_not_learned_from(capsys, tmp_path, layout, name):
    episodes = make_episodes(4)
    failed = [replace(each, is_success=False) for each in episodes]
    mixed = export(layout, tmp_path / "mixed" / name, [episodes[0], failed[1], episodes[2], failed[3]])
    assert np.diff(read_rows(mixed)[0].starts).tolist() == [8, 10]
    nothing = export(layout, tmp_path / "nothing" / name, failed)
    assert "holds no episode that is whole and not marked as a failure" in refused(capsys, f"data={nothing}")


def test_data_that_has_changed_since_is_not_gone_on_with(tmp_path):
    store = write_store(tmp_path / "store", make_episodes(4))
    config = make_config(store, "run", checkpoint_every_steps=2)
    pretrain(config, lambda step, loss: step != 4)
    with StoreWriter(store, StoreReader(store).spec, {}) as writer:
        for record in make_episode(9, 12).records(9):
            writer.append(record)
    with pytest.raises(
        CheckpointError, match="the data has changed since: it had 4 episodes and 38 control steps, now 5"
    ):
        pretrain(config, go_on)


def test_held_out_episodes_are_not_learned_from(store):
    rows, _ = read_rows(store)
    training, validation = _split(rows, make_config(store))
    assert sorted([*training, *validation]) == list(range(len(rows)))
    owners = [set(np.searchsorted(rows.starts, part, side="right") - 1) for part in (training, validation)]
    assert [len(each) for each in owners] == [3, 1]
    assert not owners[0] & owners[1]


@pytest.mark.parametrize("layout", [None, *sorted(FORMATS)])
def test_a_copy_of_what_is_held_out_is_not_learned_from(tmp_path, caplog, layout):
    episodes = make_episodes(5)
    store = write_store(tmp_path / "store", episodes[:4])
    copied = episodes[1:]
    suffix = {"robomimic": ".hdf5", "diffusion_policy": ".zarr"}.get(layout, "")
    path = tmp_path / f"copy{suffix}"
    copy = export(layout, path, copied) if layout else write_store(path, copied)
    rows, _ = read_rows(store, copy)
    assert caplog.messages == ["data: episodes that are there twice, and were taken once: 3."]
    whole = write_store(tmp_path / "whole", episodes)
    assert as_bytes(rows) == as_bytes(read_rows(whole)[0])
    training, validation = _split(rows, make_config(store))
    assert not {row.tobytes() for row in rows.proprio[training]} & {row.tobytes() for row in rows.proprio[validation]}
    assert read_rows(store, copy, episodes=5)[0].episodes == 5, "as many as were asked for are new"
    assert len(caplog.messages) == 2


def test_the_parts_of_an_episode_are_known_again_each_by_itself():
    one, other, third = (make_episode(number) for number in range(3))
    once = EachOnce([(one, other), (other,), (third, one), (replace(third, images={}),)], ["pose", "nowhere"])
    assert [[id(part) for part in whole] for whole in once] == [[id(one), id(other)], [id(third)]]
    assert once.repeated == 3
    moved = replace(one, proprio={**one.proprio, "pose": one.proprio["pose"] + np.float32(0.001)})
    acted = replace(one, actions=-one.actions)
    assert len(list(EachOnce([(one,), (moved,), (acted,)], ["pose"]))) == 3


def test_no_data_and_a_missing_path_are_named(capsys):
    assert "data names no recording" in refused(capsys)
    assert "there is no recording nowhere" in refused(capsys, "data=nowhere")


@pytest.mark.parametrize("again", ["STORE", "STORE/", "STORE/../../run/experience", "STORE/.."])
def test_a_recording_that_is_named_twice_is_refused(capsys, tmp_path, again):
    """What is held out of it the first time would be learned from the second time."""
    store = write_store(tmp_path / "run" / "experience", make_episodes(2))
    assert "twice" in refused(capsys, f"data={store},{again.replace('STORE', store)}")


def test_recordings_of_different_environments_are_refused(capsys, tmp_path, store):
    other = write_store(tmp_path / "other", make_episodes(1, pose_size=5))
    assert "other is of another environment than" in refused(capsys, f"data={store},{other}")


@pytest.mark.parametrize(
    ("layout", "name"), [("diffusion_policy", "a.zarr"), ("lerobot", "a"), ("robomimic", "a.hdf5")]
)
def test_a_data_set_runs_at_the_rate_of_its_times_unless_another_is_said(tmp_path, layout, name):
    stamps_ns = np.round(np.arange(10) * 1e9 / 30.0).astype(np.int64)
    path = export(layout, tmp_path / name, [make_episode(0, 9, stamps_ns=stamps_ns)])
    assert open_sources([path], None).spec.rate_hz == 30.0
    assert open_sources([path], 15.0).spec.rate_hz == 15.0


def test_times_that_stand_still_say_no_rate(capsys, tmp_path):
    path = export("robomimic", tmp_path / "still.hdf5", [make_episode(0, 9, stamps_ns=np.zeros(10, np.int64))])
    assert "do not say its rate; say rate_hz=RATE" in refused(capsys, f"data={path}")


def test_the_rate_of_an_own_recording_is_not_another_one(capsys, tmp_path):
    store = write_store(tmp_path / "store", make_episodes(2))
    error = refused(capsys, f"data={store}", "rate_hz=20")
    assert f"rate_hz=20 is for data sets of others, and {store} was recorded at 10 Hz" in error
    assert open_sources([store], 10.0).spec.rate_hz == 10.0


def test_recordings_of_different_rates_are_refused(capsys, tmp_path, store):
    fast = export("robomimic", tmp_path / "fast.hdf5", [make_episode(0, 9, stamps_ns=np.arange(10) * 50_000_000)])
    assert "fast.hdf5 runs at 20 Hz" in refused(capsys, f"data={store},{fast}")


def test_nothing_but_failures_is_nothing_to_learn_from(capsys, tmp_path):
    store = write_store(tmp_path / "failed", make_episodes(2, is_success=False))
    assert "there is no episode to learn from" in refused(capsys, f"data={store}")


def test_an_episode_of_one_step_is_refused(capsys, tmp_path):
    path = export("robomimic", tmp_path / "short.hdf5", [make_episode(0), make_episode(1, 1)])
    assert "episode 1 has 1 control steps" in refused(capsys, f"data={path}")


def test_a_number_that_is_not_finite_is_refused(capsys, tmp_path):
    episodes = make_episodes(2)
    episodes[1].actions[3, 2] = np.nan
    path = export("diffusion_policy", tmp_path / "bad.zarr", episodes)
    assert "episode 1: actions is nan at step 3, element 2" in refused(capsys, f"data={path}")


def test_weights_that_have_diverged_are_not_kept(capsys, tmp_path, store):
    """The loss of a step is that of the weights before it: it may be a number where they are not any more."""
    run = tmp_path / "diverged"
    words = (*BC, "steps=6", "learning_rate=1e38", "checkpoint_every_steps=1", "log_every_steps=6", f"data={store}")
    assert cli.main(["pretrain", *words, f"run_dir={run}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no finite numbers any more at step" in line
    for path in checkpoint.find(run / "checkpoints"):
        assert all(bool(torch.isfinite(value).all()) for value in checkpoint.load(path)["network"].values())


def test_episodes_that_differ_in_their_sizes_are_refused(capsys, tmp_path):
    import h5py

    path = export("robomimic", tmp_path / "mixed.hdf5", make_episodes(2))
    with h5py.File(path, "r+") as file:
        del file["data/demo_1/actions"]
        file["data/demo_1/actions"] = np.zeros((9, 6), np.float32)
    assert "episode 1: actions has shape (6,)" in refused(capsys, f"data={path}")


def test_a_share_that_leaves_nothing_to_learn_from_is_refused(capsys, store):
    assert "validation_share=0.9 of 4 episodes leaves none" in refused(capsys, f"data={store}", "validation_share=0.9")


@pytest.mark.parametrize(
    ("values", "message"),
    [({"steps": 0}, "steps must be at least 1"), ({"validation_share": 1.0}, "validation_share must be in")],
)
def test_a_configuration_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        PretrainConfig(**values)
