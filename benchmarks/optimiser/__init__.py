"""The benchmark of the search strategies: tasks, methods, runs on a virtual clock, and reports."""
