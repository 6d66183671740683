"""Chapter 02: from stories to vectors."""
