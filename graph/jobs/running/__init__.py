"""What every job needs: its shards, its durable record, its environment.
No kind of job.
"""
