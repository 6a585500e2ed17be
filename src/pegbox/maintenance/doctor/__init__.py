"""`pegbox doctor`: faults of an installation, what they mean, and how they are repaired.

Every part yields findings.  A finding may carry a repair, which is safe beside a running server and tells what it did.
What may be somebody's data is moved to `lost+found` in the home, never deleted.
"""
