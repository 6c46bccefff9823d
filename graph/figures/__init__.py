"""What the service counts and measures of itself: the definitions, the sum over all routers, Prometheus' text.
No HTTP and no Ray.
"""
