"""Who searches: strategies of pegbox in this process, and others, each in a process and an environment of its own."""
