"""Keypoints of a gray picture: the scale space, their detection, choice, direction, and description."""
