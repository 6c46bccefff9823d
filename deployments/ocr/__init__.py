"""Reading the words in a picture.
No index of words: that is ``storage/words``.
"""
