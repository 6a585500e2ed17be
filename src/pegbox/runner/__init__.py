"""One detached process per attempt: spawns the trainer, keeps its log, extracts its metrics."""
