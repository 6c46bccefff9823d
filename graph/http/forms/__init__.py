"""What requests say: bodies, forms and fields, checked.
No answers.
"""
