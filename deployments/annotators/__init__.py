"""What labels pictures, and the registry of it: tags and captions."""
