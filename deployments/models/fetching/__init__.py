"""The files of a model: finding, checking and pulling them.
Nothing here loads a model.
"""
