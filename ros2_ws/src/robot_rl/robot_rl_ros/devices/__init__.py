"""The devices of robot_rl at the other end of the wire: what implements their protocols with topics and services."""
