"""What Ray Serve runs: the router, its ports, metrics, environment, HAProxy.
No logic of a request: the catalogue and HTTP have that.
"""
