"""What labels pictures and has no index: tags, captions, labels by zero shot; and their registry.
No models' insides (``models``), no Ray.
"""
