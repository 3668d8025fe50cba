"""What a suite says of a test."""

import collections

# outcome: ok, fail, error, skip, hang, crash, or a more exact word of the suite's (without "|")
# why: for the reader, the most telling line first; may be empty
Result = collections.namedtuple("Result", "outcome why")

# A test that the other mode has.
ABSENT = Result("absent", "")
