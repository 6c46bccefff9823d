"""Letters that look alike in Latin and Greek, given the script of the line that they stand in.

A network that reads both takes a capital omicron for an O, so that a Greek word comes out half Latin, and no search for
it finds it. Which letters look alike: UTS #39, "Unicode Security Mechanisms", confusables; of capitals those that are
the same glyph in common fonts, and what the network takes a capital xi for.
"""

from __future__ import annotations

import re

TO_GREEK = str.maketrans(
    "ABEHIKMNOPTXYZo\u4e09",
    "\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7\u03a5\u0396\u03bf\u039e",
)
GREEK = re.compile("[\u0370-\u03ff]")
RUN = re.compile(r"\w+")
LATIN_ALONE = re.compile("[CDFGJLQRSUVWa-np-z\u00c0-\u02af]")  # what no Greek letter looks like


def in_one_script(text: str) -> str:
    """The line with words that mix both scripts, and words of look-alikes beside Greek ones, in Greek. A word with a
    letter that only Latin has stays as it is. The number of characters does not change.
    """
    if not GREEK.search(text):
        return text
    return RUN.sub(lambda run: run[0] if LATIN_ALONE.search(run[0]) else run[0].translate(TO_GREEK), text)
