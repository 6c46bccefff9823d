"""The service that hosts an extractor or annotator: loading it, answering batches, its messages.
Ray is imported in ``extractor_service`` alone.
"""
