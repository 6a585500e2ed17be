"""Buckets and keys."""
