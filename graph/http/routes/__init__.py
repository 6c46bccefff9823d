"""The routes of version 1, a file for each kind.
No parsing (``forms``) and no JSON shapes (``replies``).
"""
