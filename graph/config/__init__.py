"""Settings: the YAML file, its strict checks, and what follows from it.
The only reader of YAML and, for settings, of the environment; nothing starts here.
"""
