"""The routes of the original services and of their gateway ``ambience``, beside ``/v1``, for clients that were written
for them. All of it goes through the same catalogue.
"""
