"""One module per resource noun; functions named as the operations of the API."""
