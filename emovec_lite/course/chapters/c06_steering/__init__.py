"""Chapter 06: steering."""
