"""What Ray Serve runs, and its start and end: the router, its ports, metrics, environment, HAProxy, Ray itself.
No logic of a request: the catalogue and HTTP have that.
"""
