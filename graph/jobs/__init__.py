"""Batch jobs: submitting them, and the entry points that Ray runs.
The steps of a job are in the rooms below.
"""
