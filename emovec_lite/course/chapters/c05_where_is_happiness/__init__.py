"""Chapter 05: where do models find happiness?"""
