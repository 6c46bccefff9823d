"""What the router does beside requests: following models, filling in what is pending.
Nothing a request waits for.
"""
