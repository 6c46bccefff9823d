"""Finding and describing keypoints.
No search: that is ``storage/keypoints``.
"""
