"""The libraries of devices are installed wherever they have wheels; only elsewhere their tests cannot run."""

import importlib.util
import os

collect_ignore_glob = []
if not os.environ.get("CI"):
    if importlib.util.find_spec("pyrealsense2") is None:
        collect_ignore_glob += ["test_realsense*.py"]
