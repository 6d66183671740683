"""A stand-in for the package that Colab's kernel is made of: as much of it as the course can tell from outside."""
