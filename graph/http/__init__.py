"""The HTTP interface, version 1, the original services' routes, and the page.
No decisions about pictures: those are the catalogue's.
"""
