"""What every request passes: access, limits, logs and figures.
No routes.
"""
