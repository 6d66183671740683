"""Chapter 01: inside the residual stream."""
