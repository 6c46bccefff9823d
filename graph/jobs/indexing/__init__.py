"""Indexing files: listing, reading, computing, writing, on one node or spread over many.
No submission of jobs.
"""
