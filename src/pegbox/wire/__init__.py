"""Speaks AWS: protocols, validation and signatures.  Knows shapes, never meanings."""
