"""Chapter 04: the geometry of feeling words."""
