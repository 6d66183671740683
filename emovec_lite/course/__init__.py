"""The course's own machinery: exercises that check answers, quizzes, progress, and the build of the notebooks."""

from importlib import import_module

_HOME = {"check": "checking", "quiz": "quizzes", "progress": "overview"}

__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"emovec_lite.course.{_HOME[name]}"), name)
    raise AttributeError(f"module 'emovec_lite.course' has no attribute {name!r}")
