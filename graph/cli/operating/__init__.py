"""Commands of whoever runs the service: what keeps others out.

They ask no service and change nothing: what they write is for a configuration.
"""
