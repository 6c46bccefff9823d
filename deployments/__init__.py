"""What turns pictures and texts into features: decoding, the extractors, the service that hosts each.
Nothing here keeps anything or knows of requests: no import of ``graph``.
"""
