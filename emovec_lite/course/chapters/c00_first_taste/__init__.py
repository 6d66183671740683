"""Chapter 00: a first taste."""
