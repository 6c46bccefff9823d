"""What answers look like: JSON, errors with their statuses, OpenAPI.
No routes.
"""
