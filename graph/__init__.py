"""How a request flows and how the parts are joined: router, catalogue, HTTP, settings, jobs, client, shell.
Nothing here computes features or searches an index.
"""
