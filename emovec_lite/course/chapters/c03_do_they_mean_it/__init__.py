"""Chapter 03: do the vectors mean it?"""
