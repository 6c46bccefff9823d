"""How far apart hashes of the same picture are. Imports nothing: the shell command and the client read it, too."""

SAME_PICTURE_BITS = 64  # of the 576 of phash: the original's limit for "similar"
MOST_THRESHOLD_BITS = 192  # different pictures are about 288 bits apart, and seldom less than 220
