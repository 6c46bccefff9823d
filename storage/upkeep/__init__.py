"""Indexes through time: which kind, loading, snapshots, training, moving over to another model.
No searching, and no change of pictures.
"""
