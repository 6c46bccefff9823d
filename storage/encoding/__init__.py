"""Values as bytes and back: keys, rows, records, messages between processes.
No input or output, and no pickle.
"""
