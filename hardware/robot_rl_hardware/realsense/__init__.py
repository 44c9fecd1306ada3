"""Intel RealSense cameras through pyrealsense2: live by serial number, or played from a recording of the library."""
