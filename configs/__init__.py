"""Ray Serve configuration files, carried by the package: ``local.yaml`` is what ``lookalike serve`` starts."""
