"""How a request flows and how the parts are joined: router, merging, HTTP, page, settings, jobs, client, shell."""
