"""The values that cross the seams of the program: plain frozen dataclasses over numpy arrays. Every room may import
them; they import nothing but each other.
"""
