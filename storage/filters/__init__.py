"""Filters as users write them: text and JSON, checked, and written back. Pictures that match are found elsewhere, see
`storage.columns`.
"""
