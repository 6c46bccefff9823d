"""Searching by keypoints: what a row is, which pictures get votes, how two pictures lie over each other.
No store: functions over arrays and an index.
"""
