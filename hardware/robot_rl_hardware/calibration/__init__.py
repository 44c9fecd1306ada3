"""Where a camera is: hand-eye calibration from views of a ChArUco board."""
