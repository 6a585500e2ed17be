"""The only part that makes things happen: claims due rows, decides, applies, reschedules."""
