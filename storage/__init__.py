"""What is kept and searched: LMDB stores, FAISS indexes, shards and the actors around them. Imports neither of the
other two layers.
"""
