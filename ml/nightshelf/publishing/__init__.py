"""A night is published whole or not at all: files, then a manifest, then one rename."""
