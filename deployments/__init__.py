"""What turns pictures and texts into features: decoding, the extractors, and the service that hosts each."""
