"""`robot-rl train-classifier` on synthetic recordings: what it makes, what it says, and what it refuses."""

import json
import os
import re
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.data.store_writer import StoreWriter
from robot_rl.env.observation import make_observation_spec
from robot_rl.errors import ConfigError, RobotRLError
from robot_rl.runtime.classifier import training
from robot_rl.runtime.classifier.config import ClassifierConfig, LabelConfig
from robot_rl.runtime.classifier.file import load_about, load_classifier
from robot_rl.runtime.classifier.gather import _pieces as list_pieces
from robot_rl.runtime.classifier.gather import gather, make_spec, open_store
from robot_rl.runtime.classifier.labels import Part
from robot_rl.runtime.classifier.report import draw_report, roc
from robot_rl.runtime.commands import train_classifier as train_classifier_command
from robot_rl.specs import EnvironmentSpec
from tests.rewards.synthetic import CAMERAS, SPEC, SUCCESS, make_episode, make_episodes, write_store

FAST = ("backbone.name=small_cnn", "backbone.copies=2", "fit.max_updates=60", "fit.evaluate_every=10", "device=cpu")
FAST = (*FAST, "fit.batch_size=64", "fit.learning_rate=1e-3")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A recording of 25 successes and 10 failures."""
    path = tmp_path_factory.mktemp("recordings") / "data"
    return write_store(path, make_episodes(np.random.default_rng(0), 25, 10))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Files go to a folder of the test's own; a picture takes longer than all the rest, so that few tests draw it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_classifier_command, "draw_report", lambda *arguments: None)
    monkeypatch.setattr(training, "find_revision", lambda: "abc123")


def train(capsys, *words):
    """(exit code, result, everything printed)."""
    code = train_classifier_command.run([*FAST, *words])
    out = capsys.readouterr().out
    return code, json.loads(out.splitlines()[-1]), out


def test_it_learns_measures_and_writes(capsys, data):
    code, result, out = train(capsys, f"data={data}", "out=mine/c.safetensors")
    assert code == 0
    assert result["episodes"] == {"training": 21, "validation": 7, "test": 7}
    assert result["samples"]["test"] == result["positives"] + result["negatives"]
    assert result["recall"] == result["precision"] == 1.0
    assert result["calibration_error"] < 0.1
    assert (result["is_claimed"], result["false_positives"], result["groups"]) == (False, 0, 7)
    assert "too few negatives to claim 1.00%" in out.replace("\n", " ")
    assert result["report"] == "mine/c_report.png"
    classifier = load_classifier(Path("mine/c.safetensors"))
    assert classifier.thresholds == (result["threshold"],)
    assert classifier.calibrations[0].temperature == result["temperature"]
    fresh = make_episode(np.random.default_rng(99), is_success=True)
    called = classifier.predict(fresh.images)[:, 0] > classifier.thresholds[0]
    assert called.tolist() == [False] * 6 + [True]
    about = load_about(Path("mine/c.safetensors"))
    assert about["revision"] == "abc123"
    assert "max_updates: 60" in about["config_yaml"]
    assert about["figures"]["recall"] == result["recall"]


def test_the_same_seed_makes_the_same_file(capsys, data, tmp_path):
    contents = []
    for _ in range(2):
        train(capsys, f"data={data}", "fit.max_updates=10")
        contents.append((tmp_path / "classifier.safetensors").read_bytes())
    assert contents[0] == contents[1]


def gathered(*sources, run=None, judge=None, **values):
    config = replace(configuration.load(ClassifierConfig, "classifier", list(FAST)), data=sources, **values)
    readers = {source: open_store(source) for source in sources}
    spec = make_spec(readers, config)
    backbone = training._make_backbone(config.backbone, spec.image_size_px)
    return gather(readers, None if run is None else open_store(run), judge, spec, backbone, config, lambda source: None)


def test_no_episode_is_in_two_parts_even_if_it_is_in_two_recordings(data, tmp_path):
    again = write_store(tmp_path / "again", make_episodes(np.random.default_rng(0), 25, 10)[::-1])
    found = gathered(str(data), str(again))
    assert found.repeated == 35
    assert sum(found.episodes.values()) == 35
    numbers = [set(found.parts[part].episodes.tolist()) for part in Part]
    assert sum(len(each) for each in numbers) == len(set.union(*numbers)) == 35
    tokens = {}
    for part in Part:
        samples = found.parts[part]
        assert (
            len(set(zip(samples.titles, samples.episodes.tolist(), strict=True)))
            == len(samples)
            == 7 * found.episodes[part]
        )
        tokens[part] = {row.numpy().tobytes() for row in samples.tokens[:, 0]}
        assert samples.marks.sum() > 0
    assert not tokens[Part.TRAINING] & (tokens[Part.VALIDATION] | tokens[Part.TEST])
    assert not tokens[Part.VALIDATION] & tokens[Part.TEST]


@pytest.mark.parametrize(
    ("kind", "words", "used"),
    [
        ("button", {}, 2),
        ("classifier", {}, 2),
        ("task", {}, 7),
        ("button", {"ambiguous_steps": 0}, 7),
        ("task", {"ambiguous_steps": 2}, 5),
    ],
)
def test_what_came_before_a_late_mark_is_left_out(tmp_path, kind, words, used):
    """A person presses after they have seen it: the images before show the success, too."""
    generator = np.random.default_rng(0)
    told = {"task": "synthetic", "config_yaml": f"reward: {{kind: {kind}}}"}
    with StoreWriter(tmp_path / "data", SPEC, told) as store:
        for number in range(9):
            for record in make_episode(generator, is_success=True, start_ns=number).records(number):
                store.append(record)
    found = gathered(str(tmp_path / "data"), labels=LabelConfig(**words))
    assert sum(len(found.parts[part]) for part in Part) == 9 * used


@pytest.mark.parametrize(("late", "is_warned"), [(0, False), (2, True)])
def test_a_classifier_that_finds_few_successes_says_why(capsys, tmp_path, late, is_warned):
    """It would never pay."""
    generator = np.random.default_rng(0)
    shows = [(step, SUCCESS) for step in range(6 - late, 7)]
    successes = [make_episode(generator, shows=shows, start_ns=k) for k in range(25)]
    data = write_store(tmp_path / "data", [*successes, *make_episodes(generator, 0, 10)])
    _, result, printed = train(capsys, f"data={data}", "labels.ambiguous_steps=0")
    assert (result["recall"] < 0.9) == is_warned
    assert ("labels.ambiguous_steps=10" in printed) == is_warned


@pytest.mark.parametrize(
    ("rewards", "picked"),
    [([0, 1, 0, 0, 0, 1], 5), ([0, 0, 0, 1, 0, 1], 3)],  # before the pause: 2 and all after; in the step that it ended
)
def test_a_pause_between_two_stages_does_not_hide_the_first(tmp_path, rewards, picked):
    generator = np.random.default_rng(0)
    with StoreWriter(tmp_path / "data", SPEC, {"task": "synthetic"}) as store:
        for number in range(9):
            episode = make_episode(generator, is_success=True, rewards=rewards, start_ns=number)
            for record in episode.records(number):
                is_after = record.step > 3  # an index is left out
                store.append(replace(record, step=record.step + is_after))
            store.flush(60.0)
    found = gathered(str(tmp_path / "data"), labels=LabelConfig(stages=("picked", "inserted")))
    assert found.episodes == {Part.TRAINING: 5, Part.VALIDATION: 2, Part.TEST: 2}, "each once, though in two pieces"
    for part in Part:
        of_part = found.parts[part]
        assert set(Counter(of_part.episodes.tolist()).values()) == {7}, "no episode is in two parts"
        assert len(set(of_part.episodes.tolist())) == found.episodes[part]
        assert len(set(of_part.titles)) == len(of_part), "each image has a name of its own"
    marks = np.concatenate([found.parts[part].marks.numpy() for part in Part])
    assert len(marks) == 9 * 7
    assert marks.sum(0).tolist() == [9 * picked, 9]


@pytest.mark.parametrize(("step", "pause"), [(2, 4), (4, 4)])  # before the pause; in the step that it ended
def test_two_stages_that_were_paid_at_once_before_a_pause_are_both_known_after_it(tmp_path, step, pause):
    rewards = [2.0 * (number == step) for number in range(1, 7)]
    with StoreWriter(tmp_path / "data", SPEC, {}) as store:
        for record in make_episode(np.random.default_rng(0), is_success=False, rewards=rewards).records(0):
            store.append(replace(record, step=record.step + (record.step >= pause)))
    pieces = list(list_pieces("data", open_store(str(tmp_path / "data")), lambda source: None))
    assert [(len(piece.episode), piece.paid_before) for piece in pieces] == [(3, 0), (2, 2)]


class Judge:
    """Calls a success whatever is green in the wrist's image."""

    thresholds = (0.5,)
    outputs = ("success",)

    def __init__(self, spec):
        self.spec = spec

    def predict(self, images):
        middle = images["wrist"].astype(float)
        return (middle[..., 1] - middle[..., 0]).max(axis=(1, 2))[:, None] / 255.0 + 0.2


def make_judge(data):
    return Judge(make_spec({"data": open_store(str(data))}, ClassifierConfig()))


def test_mistakes_of_a_run_are_mined_and_what_led_to_a_success_is_not(data, tmp_path):
    generator = np.random.default_rng(1)
    run = [
        make_episode(generator, 8, shows=[(2, SUCCESS), (5, SUCCESS)], is_success=False, start_ns=1),
        # a debounced success: seen three times, declared at the third
        make_episode(generator, 8, shows=[(k, SUCCESS) for k in (1, 6, 7, 8)], start_ns=2),
    ]
    path = write_store(tmp_path / "run" / "experience", run)
    found = gathered(str(data), run=str(path.parent), judge=make_judge(data))
    hard = {
        title
        for part in Part
        for title, is_hard in zip(found.parts[part].titles, found.parts[part].is_hard, strict=True)
        if is_hard
    }
    assert {title.split("experience ")[1] for title in hard} == {
        "episode 0 step 2",
        "episode 0 step 5",
        "episode 1 step 1",
    }
    assert found.mistakes == 3
    assert all(float(found.parts[part].marks[found.parts[part].is_hard].sum()) == 0.0 for part in Part)
    assert gathered(str(data), run=str(path), judge=make_judge(data), margin_steps=0).mistakes == 5


def test_what_fooled_it_in_a_run_does_not_fool_it_after_retraining(capsys, data, tmp_path):
    """Success is green in both images. The data never shows green in one alone; the run does, and it is none."""
    generator = np.random.default_rng(2)

    def make_decoy(start_ns):
        episode = make_episode(generator, 6, shows=[(3, SUCCESS), (5, SUCCESS)], is_success=False, start_ns=start_ns)
        plain = make_episode(generator, 6)
        return replace(episode, images={"wrist": episode.images["wrist"], "side": plain.images["side"]})

    run = write_store(tmp_path / "run", [make_decoy(k) for k in range(40)])
    fresh = [make_decoy(1000 + k) for k in range(20)]

    def count_fooled():
        classifier = load_classifier(tmp_path / "classifier.safetensors")
        (threshold,) = classifier.thresholds
        return sum(int((classifier.predict(episode.images)[[3, 5], 0] > threshold).sum()) for episode in fresh)

    train(capsys, f"data={data}", "claim.threshold_floor=0.05")
    before = count_fooled()
    _, result, _ = train(capsys, f"data={data}", f"run={run}", "claim.threshold_floor=0.05")
    assert before > 10
    assert result["hard_negatives"] > 10
    assert sum(result["episodes"].values()) == 35 + 40
    assert count_fooled() < before / 4


def test_several_stages_and_a_lost_task(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(train_classifier_command, "draw_report", draw_report)
    generator = np.random.default_rng(3)
    picked, lost = (60, 60, 230), (230, 40, 40)
    episodes = []
    for k in range(15):
        shows = [(step, picked) for step in (3, 4, 5)]
        rewards = [0, 0, 1, 0, 0, 1]
        episodes.append(make_episode(generator, shows=[*shows, (6, SUCCESS)], rewards=rewards, start_ns=k))
        failed = {"is_success": False, "is_terminal": True, "rewards": [0] * 6, "start_ns": k}
        episodes.append(make_episode(generator, shows=[(6, lost)], **failed))
    write_store(tmp_path / "data", episodes)
    _, result, _ = train(
        capsys, "data=data", "labels.stages=[picked,inserted]", "labels.has_lost=true", "fit.max_updates=100"
    )
    assert set(result["outputs"]) == {"picked", "inserted", "lost"}
    assert cv2.imread(result["report"]).std() > 10.0
    classifier = load_classifier(tmp_path / "classifier.safetensors")
    assert classifier.outputs == ("picked", "inserted", "lost")
    for name, figures in result["outputs"].items():
        assert figures["balanced_accuracy"] > 0.9, name


def test_ctrl_c_ends_the_training_with_what_there_is(capsys, data, monkeypatch):
    fit = training.fit

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return fit(*arguments)

    monkeypatch.setattr(training, "fit", interrupted)
    code, result, _ = train(capsys, f"data={data}")
    assert code == 130
    assert result["updates"] == 10


def test_ctrl_c_while_it_reads_writes_nothing(capsys, data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        training, "gather", lambda *arguments: (os.kill(os.getpid(), signal.SIGINT), gather(*arguments))[1]
    )
    with pytest.raises(KeyboardInterrupt):
        train(capsys, f"data={data}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "data=demonstrations"),
        (["data=nowhere"], "robot-rl record store=nowhere"),
        (["data=DATA,DATA"], "twice"),
        (["data=DATA", "cameras=top"], "not ['top']"),
        (["data=DATA", "run=DATA"], "train one without run first"),
        (["data=DATA", "run=DATA", "judge=nowhere.safetensors"], "there is no classifier"),
        (["data=DATA", "run=nowhere"], "no recording nowhere"),
        (["data=DATA", "out=c.pt"], "safetensors"),
        (["data=DATA", "report=c.pdf"], ".png"),
        (["data=DATA", "labels.has_lost=true"], "no image that shows 'lost'"),
        (["data=DATA", "labels.stages=[a,b]"], "was paid 1 times"),
        (["data=DATA", "labels.stages=[a,b]"], "episode 0: stages="),
        (["data=DATA", "backbone.name=eye"], "resnet10, small_cnn, vit"),
        (["data=DATA", "backbone.weights=pretrained"], "resnet10"),
        (["data=DATA", "claim.test_share=0.9"], "something to learn from"),
        (["data=DATA", "claim.false_positive_rate=0"], "false_positive_rate"),
        (["data=DATA", "labels.success_steps=0"], "success_steps"),
        (["data=DATA", "device=abacus"], "abacus"),
        (["dada=DATA"], "Did you mean 'data'?"),
    ],
)
def test_it_refuses_with_a_reason(data, words, said):
    with pytest.raises(RobotRLError) as error:
        train_classifier_command.run([*FAST, *(word.replace("DATA", str(data)) for word in words)])
    assert said in str(error.value)


@pytest.mark.parametrize("place", ["its_own.txt/c", "folder", "/proc/nowhere/c"])
@pytest.mark.parametrize(
    ("word", "kind", "suffix"), [("out", "classifier", ".safetensors"), ("report", "report", ".png")]
)
def test_where_nothing_can_be_written_is_said_before_it_reads(data, tmp_path, monkeypatch, place, word, kind, suffix):
    (tmp_path / "its_own.txt").write_text("mine")
    (tmp_path / f"folder{suffix}").mkdir()
    monkeypatch.setattr(training, "gather", lambda *arguments: pytest.fail("it reads"))
    with pytest.raises(ConfigError, match=f"Cannot write the {kind} {place}{suffix}: "):
        train_classifier_command.run([*FAST, f"data={data}", f"{word}={place}{suffix}"])


def test_recordings_that_cannot_be_looked_at_together_are_refused(data, tmp_path):
    blind = EnvironmentSpec(make_observation_spec(6, {}), 6, 100, 10.0)
    large = EnvironmentSpec(make_observation_spec(6, dict.fromkeys(CAMERAS, (64, 64))), 6, 100, 10.0)
    for name, spec in (("blind", blind), ("large", large)):
        with StoreWriter(tmp_path / name, spec, {}):
            pass
    with pytest.raises(ConfigError, match="has no images"):
        gathered(str(tmp_path / "blind"))
    with pytest.raises(ConfigError, match="of one size"):
        gathered(str(data), str(tmp_path / "large"))


@pytest.mark.parametrize(("cameras", "looked_at"), [({}, ["wrist", "side"]), ({"wrist": (32, 32)}, ["side"])])
def test_a_run_in_which_the_classifier_could_not_see_is_refused(data, tmp_path, cameras, looked_at):
    spec = EnvironmentSpec(make_observation_spec(6, cameras), 6, 100, 10.0)
    episode = make_episode(np.random.default_rng(1))
    images = {name: episode.images[name] for name in cameras}
    with StoreWriter(tmp_path / "run", spec, {}) as store:
        for record in replace(episode, images=images).records(0):
            store.append(record)
    missing = re.escape(f"run has the cameras {list(cameras)}, and not {looked_at}")
    with pytest.raises(ConfigError, match=missing):
        gathered(str(data), run=str(tmp_path / "run"), judge=make_judge(data))
    if "wrist" in cameras:  # what is trained sees enough, its judge does not
        with pytest.raises(ConfigError, match=missing):
            gathered(str(data), run=str(tmp_path / "run"), judge=make_judge(data), cameras=("wrist",))


def test_the_curve_by_hand():
    false_positives, recalls = roc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    assert false_positives.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert recalls.tolist() == [0.0, 0.5, 1.0, 1.0]


def test_configured_values_are_those_of_the_file(data):
    word = train_classifier_command._listed(f"data={data},b")
    config = configuration.load(ClassifierConfig, "classifier", [word, "cameras=[wrist]", "claim.confidence=0.9"])
    assert config.data == (str(data), "b")
    assert config.cameras == ("wrist",)
    assert configuration.from_yaml(ClassifierConfig, configuration.to_yaml(config)) == config
    assert configuration.load(ClassifierConfig, "classifier") == ClassifierConfig()


def test_the_command_line_knows_it(capsys, data):
    assert cli.main(["train-classifier", f"data={data}", "fit.max_updates=10", *FAST[:2], "device=cpu"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["classifier"] == "classifier.safetensors"
    assert cli.main(["train-classifier", "data=nowhere"]) == 2
    assert "robot-rl record store=nowhere" in capsys.readouterr().err
    assert cli.main(["config", "classifier", "claim.false_positive_rate=0.02"]) == 0
    assert "false_positive_rate: 0.02" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["train-classifier", "--help"])
    out = capsys.readouterr().out
    assert "robot-rl config classifier" in out
    assert "data=STORE,STORE" in out
