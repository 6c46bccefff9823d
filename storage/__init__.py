"""What is kept and searched: LMDB stores, FAISS indexes, shards and the actors around them.
Nothing here turns pictures into features, or knows of requests: no import of the other two layers.
"""
