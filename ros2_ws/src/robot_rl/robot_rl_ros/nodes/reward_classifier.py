"""A success classifier as a node: images in, rewards out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rclpy.node import Node
from robot_rl_msgs.msg import Reward
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import Image
from std_msgs.msg import Float64
from std_srvs.srv import Trigger

from robot_rl.clock import to_ns
from robot_rl.rewards.pairing import Pairing
from robot_rl.rewards.reward import ClassifierReward, Images, Judgement
from robot_rl.robot.robot import RobotReading
from robot_rl.types import Outcome
from robot_rl_ros import convert, qos
from robot_rl_ros.broadcast import Broadcast


class RewardClassifier(Node):
    """Judges the images of one moment: `~/reward` out, and `~/probability/OUTPUT` where somebody listens.

    In real time every set of images is judged as it comes. In lock-step the moments that are judged are those that
    `~/judge` names, whatever else the cameras show. An episode starts with the service `~/start_episode`; until the
    first one nothing is paid, so that a node that starts anew in the middle of an episode pays no stage again.
    """

    def __init__(
        self,
        judge: ClassifierReward[RobotReading],
        outputs: Sequence[str],
        cameras: Sequence[str],
        max_skew_s: float,
        *,
        is_lock_step: bool,
    ) -> None:
        """Listen to the cameras.

        Args:
            judge: says what images are worth.
            outputs: what its probabilities are of.
            cameras: names of those that it looks at.
            max_skew_s: see `RewardConfig`; in lock-step there is none.
            is_lock_step: whether time waits for the actor.
        """
        super().__init__("reward_classifier", start_parameter_services=False)
        self._judge, self._is_lock_step = judge, is_lock_step
        self._is_watching = False
        self._wanted_ns: int | None = None
        self._newest: tuple[int, Images] | None = None
        self._pairing = Pairing(cameras, 0 if is_lock_step else to_ns(max_skew_s))
        self._told_ns = -1
        self._reward = Broadcast(self, Reward, "~/reward", qos.PRESSES)
        self._probabilities = {
            name: self.create_publisher(Float64, f"~/probability/{name}", qos.STREAM) for name in outputs
        }
        profile = qos.STREAM if is_lock_step else qos.FOREIGN_NEWEST
        for name in cameras:
            self.create_subscription(Image, f"camera_{name}/color/image_raw", partial(self._see, name), profile)
        self.create_service(Trigger, "~/start_episode", self._start)
        if is_lock_step:
            self.create_subscription(ClockMsg, "~/judge", self._be_asked, qos.STREAM)

    def _see(self, camera: str, message: Image) -> None:
        found = self._pairing.add(camera, *convert.from_image(message))
        if found is None:
            return
        self._newest = found
        if not self._is_lock_step or found[0] == self._wanted_ns:
            self._tell(*found)

    def _be_asked(self, message: ClockMsg) -> None:
        """Judge a moment, now or when its images are here; once, though a slow answer is asked for again."""
        self._wanted_ns = convert.from_time(message.clock)
        if self._wanted_ns == self._told_ns:
            self._reward.repeat()
        elif self._newest is not None and self._newest[0] == self._wanted_ns:
            self._tell(*self._newest)

    def _tell(self, stamp_ns: int, images: Images) -> None:
        self._wanted_ns, self._told_ns = None, stamp_ns
        if not self._is_watching:
            self._reward.send(convert.to_reward(Outcome(), stamp_ns))
            return
        judgement: Judgement = self._judge.judge(images, stamp_ns)
        self._reward.send(convert.to_reward(judgement, stamp_ns, judgement.probability))
        for name, publisher in self._probabilities.items():
            if publisher.get_subscription_count():
                publisher.publish(Float64(data=judgement.probabilities[name]))

    def _start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        del request
        self._judge.reset()
        self._is_watching, self._wanted_ns, self._told_ns = True, None, -1
        response.success = True
        return response
