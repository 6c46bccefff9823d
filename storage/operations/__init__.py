"""What can be asked of a shard: one frozen dataclass for each question, which runs within the shard.
Nothing here is kept between questions, and none knows how it came here: see ``storage/cluster``.
"""
