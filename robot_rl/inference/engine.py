"""The deadline: a policy that thinks in the background, and a plan from which commands are taken without waiting.

Nothing here guesses a latency. An action belongs to a moment, and what is commanded is the action of the present
moment in the newest plan, however long that plan took to make.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from robot_rl.clock import Clock
from robot_rl.inference.engine_config import EngineConfig
from robot_rl.inference.ladder import Ladder, Served
from robot_rl.inference.meter import Meter
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Estimate, Problem, Sampler
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.inference.samplers.relay import Relay
from robot_rl.inference.samplers.rti import RTI

_REFINING = (Relay, RTI)
"""Each of their estimates is better than the plan so far. The first ones of others, and also of these where there is no
plan, are averages of all that could be done."""


class Mind(Protocol):
    """What an engine asks of a policy.

    Attributes:
        shape: (H, A) of a chunk.
        now: the chunk's position of the present: those before it are past actions that the policy also predicts.
    """

    shape: tuple[int, int]
    now: int

    def to_problem(self, observation: Any, noise_BHA: torch.Tensor, previous: Plan | None, committed: int) -> Problem:
        """The decision to be made for an observation."""
        ...

    def to_actions(self, chunk_BHA: torch.Tensor) -> NDArray[np.float32]:
        """Actions as the environment takes them, shape (B, H, A)."""
        ...


class _Offer(NamedTuple):
    """An observation, and the resets that there had been before it."""

    observation: Any
    stamp_ns: int
    generation: int
    offered_ns: int
    is_decided: threading.Event


class _Published(NamedTuple):
    """What commands are taken from; replaced as a whole. The actions are (N, H, A)."""

    plan: Plan
    actions: NDArray[np.float32]
    offer: _Offer


class Engine:
    """Runs a sampler against a deadline.

    One thread commands (`offer`, `serve`, `reset`) and never waits; another decides (`decide`, or `start`, which gives
    it a thread). They share the newest observation and the newest plan, each replaced as a whole.

    Attributes:
        evaluations: durations of single evaluations of the network.
        decisions: durations from the begin of a decision to its end, of warm starts.
        cold_decisions: the same, of starts from noise.
        late: how many decisions were not there in time.
    """

    def __init__(
        self,
        mind: Mind,
        sampler: Sampler,
        rates_A: NDArray[np.bool_],
        period_s: float,
        config: EngineConfig,
        clock: Clock,
        seed: int,
        count: int = 1,
    ) -> None:
        """Make an engine without a plan.

        Args:
            mind: the policy.
            sampler: of warm starts.
            rates_A: which actions are rates, so that 0 holds; the others hold at their last value.
            period_s: between two commands, and between two positions of a chunk.
            config: see there.
            clock: its stamps are those of observations and commands.
            seed: of all noise.
            count: N, plans that every decision makes, each of noise of its own; commands are the first one's.
        """
        self._count = count
        self._mind, self._sampler, self._ladder = mind, sampler, Ladder(rates_A, period_s, config)
        self._config, self._clock = config, clock
        self._period_ns = round(period_s * 1e9)
        self._generator = torch.Generator().manual_seed(seed)
        self._offers: deque[_Offer] = deque(maxlen=1)  # one thread puts and another takes, each at one stroke
        self._published: _Published | None = None
        self._generation = 0
        self._newest: _Offer | None = None
        self._served_ns: int | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._failure: BaseException | None = None
        self.evaluations, self.decisions, self.cold_decisions, self.late = Meter(), Meter(), Meter(), 0
        self._delays = Meter()

    # ------------------------------------------------------------------ the thread that commands

    def offer(self, observation: Any, stamp_ns: int) -> None:
        """Here is what the robot saw at `stamp_ns`; one that nobody got to is forgotten."""
        self._newest = _Offer(observation, stamp_ns, self._generation, self._clock.now_ns(), threading.Event())
        self._offers.append(self._newest)
        self._wake.set()

    def reset(self) -> None:
        """Forget the plan, and drop what is being decided: an episode starts, a person takes over or hands back."""
        self._generation += 1
        self._offers.clear()

    def wait(self) -> None:
        """Give the decision about the newest observation its `wait_s`; only where a thread decides."""
        if self._thread is not None and self._newest is not None and self._config.wait_s > 0.0:
            self._newest.is_decided.wait(self._config.wait_s)

    def serve(self, stamp_ns: int) -> Served:
        """The command for the period that begins at `stamp_ns`; at once.

        Raises:
            BaseException: whatever ended the thread that decides.
        """
        if self._failure is not None:
            raise self._failure
        self._served_ns = stamp_ns
        published = self._find_published()
        if published is None or stamp_ns < published.offer.stamp_ns - self._period_ns // 4:  # a clock was set back
            return self._ladder.hold(self._count)
        return self._ladder.serve(published.plan, published.actions, published.offer.stamp_ns, stamp_ns)

    # ------------------------------------------------------------------ the thread that decides

    @torch.inference_mode()
    def decide(self) -> bool:
        """Make one decision for the newest observation, in the calling thread; False where there was none."""
        try:
            offer = self._offers.pop()
        except IndexError:
            return False
        begin_ns = self._clock.now_ns()
        previous = self._previous_at(offer)
        budget = self._config.budget_periods if previous is not None else self._config.cold_periods
        # Without a plan the robot holds: what took time before, such as warming up, is not taken from the cold start.
        since_ns = offer.stamp_ns if previous is not None else max(offer.stamp_ns, begin_ns)
        deadline_ns = since_ns + round(budget * self._period_ns - self._config.margin_s * 1e9)
        noise = self._draw()
        committed = 0 if previous is None else self._count_committed()
        problem = self._mind.to_problem(offer.observation, noise, previous, committed)
        if previous is None:  # the robot holds meanwhile
            sampler = self._make_cold(deadline_ns - self._clock.now_ns(), problem.schedule.spec.levels)
            self._publish(self._run(sampler, problem, deadline_ns), offer, previous)
        elif isinstance(self._sampler, _REFINING):
            self._run(self._sampler, problem, deadline_ns, lambda estimate: self._publish(estimate, offer, previous))
        else:  # the plan so far goes on meanwhile; what comes late is put where it belongs
            self._publish(self._run(self._sampler, problem, deadline_ns=None), offer, previous)
        offer.is_decided.set()
        end_ns = self._clock.now_ns()
        (self.cold_decisions if previous is None else self.decisions).note(end_ns - begin_ns)
        if previous is not None:
            self._delays.note(end_ns - offer.offered_ns)
        self.late += end_ns > offer.stamp_ns + round(budget * self._period_ns)
        return True

    def start(self) -> None:
        """Decide in a thread of its own from now on, until `close`."""
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; a decision that is being made is waited for."""
        self._is_closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def warm_up(self, observation: Any, count: int = 3) -> None:
        """Evaluate the network a few times before it matters: the first evaluation takes far longer."""
        for _ in range(count):
            noise = self._draw()
            problem = self._mind.to_problem(observation, noise, None, 0)
            begin_ns = self._clock.now_ns()
            next(iter(DDIM(2)(problem)))
            self.evaluations.note(self._clock.now_ns() - begin_ns)

    def _work(self) -> None:
        try:
            while not self._is_closed:
                self._wake.wait()
                self._wake.clear()
                self.decide()
        except BaseException as error:  # noqa: BLE001  raised where commands are asked for
            self._failure = error

    def _run(
        self,
        sampler: Sampler,
        problem: Problem,
        deadline_ns: int | None,
        tell: Callable[[Estimate], None] = lambda estimate: None,  # noqa: ARG005
    ) -> Estimate:
        """Evaluate until the sampler is content, or no further evaluation fits before the deadline, if there is one."""
        best: Estimate | None = None
        before_ns = self._clock.now_ns()
        for estimate in sampler(problem):
            best = estimate
            tell(estimate)
            now_ns = self._clock.now_ns()
            self.evaluations.note(now_ns - before_ns)
            if deadline_ns is not None and now_ns + self.evaluations.quantile_ns(0.99) > deadline_ns:
                break
            before_ns = now_ns
        assert best is not None, "a sampler evaluates at least once"
        return best

    def _publish(self, estimate: Estimate, offer: _Offer, previous: Plan | None) -> None:
        """Commands are taken from this estimate from now on; one from before a reset is never found."""
        stamp_ns = offer.stamp_ns - self._mind.now * self._period_ns
        plan = Plan(estimate.chunk, estimate.noise, stamp_ns, self._period_ns)
        if previous is not None and self._served_ns is not None:
            plan = plan.after(previous, max(0, plan.position_at(self._served_ns) + 1))
        self._published = _Published(plan, self._mind.to_actions(estimate.chunk), offer)

    def _draw(self) -> torch.Tensor:
        """Standard normal noise for all plans, (N, H, A)."""
        return torch.randn(self._count, *self._mind.shape, generator=self._generator)

    def _find_published(self) -> _Published | None:
        published = self._published
        return None if published is None or published.offer.generation != self._generation else published

    def _previous_at(self, offer: _Offer) -> Plan | None:
        """The plan so far, moved to the observation's moment; None where nothing of it is of use any more."""
        published = self._find_published()
        if published is None or not published.plan.is_finite:
            return None
        ticks = published.plan.position_at(offer.stamp_ns) - self._mind.now
        if not 0 <= ticks < self._mind.shape[0] - self._mind.now:
            return None
        return published.plan.advance(ticks, self._draw())

    def _count_committed(self) -> int:
        """Positions that will have been executed when this decision is there, at the pace of the newest ones.

        None, where commands wait as long as decisions take. What was offered while another decision was being made has
        waited before its own began, which counts.
        """
        lasts_ns = self._delays.quantile_ns(0.95)
        if lasts_ns <= self._config.wait_s * 1e9:
            return 0
        periods = -(-lasts_ns // self._period_ns)
        return min(self._mind.now + periods, self._mind.shape[0] - 1)

    def _make_cold(self, left_ns: int, levels: int) -> Sampler:
        """DDIM with as many steps as fit; there are no more than levels."""
        evaluation_ns = max(self.evaluations.quantile_ns(0.99), 1)
        return DDIM(max(1, min(self._config.cold_steps, levels, left_ns // evaluation_ns)))
