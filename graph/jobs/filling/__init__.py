"""Computing what stored pictures lack, and moving an index over to another model.
No new pictures.
"""
