"""One search, from the request to the ranked answer.
Nothing here adds or changes pictures.
"""
