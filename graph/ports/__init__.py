"""The seams between the catalogue and the processes that do its work, and what stands behind them.
No decision about a picture or an answer.
"""
