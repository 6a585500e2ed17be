"""What operators do with an installation: back it up, restore it, examine it.  Works beside a running server."""
