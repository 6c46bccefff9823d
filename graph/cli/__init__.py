"""The shell command ``lookalike``.
Everything it knows of a running service comes through ``lookalike_client``.
"""
