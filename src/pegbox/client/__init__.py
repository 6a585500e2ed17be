"""What the commands for people are made of: requests, clients, progress.  Everything goes through the public API."""
