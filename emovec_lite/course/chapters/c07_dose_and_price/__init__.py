"""Chapter 07: dose and price."""
