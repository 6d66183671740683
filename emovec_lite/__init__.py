"""Emotion vectors in open language models: extraction, geometry, steering.

The vectors are representations of emotion *concepts*. Nothing here says that a model feels anything.
"""

from importlib import import_module

__version__ = "0.1.0"

# Names are looked up when first used, so that `import emovec_lite` does not wait for torch.
_HOME = {
    "MODELS": "models", "Subject": "models", "load_model": "models",
    "Corpus": "stories", "Story": "stories", "load_corpus": "stories", "load_neutral": "stories",
    "check_corpus": "rules", "generate_corpus": "own_stories",
    "mean_activations": "activations", "token_activations": "activations",
    "EmotionVectors": "vectors", "Direction": "vectors", "extract": "extraction", "load_or_compute": "extraction",
    "ratings": "norms",
    "generate": "generation", "stream": "generation", "perplexity": "generation",
    "steer": "steering", "ablate": "steering", "random_directions": "controls",
    "dose_response": "effects", "calibrate": "effects",
    "show": "plots",
    "setup": "environment",
    "EmovecError": "errors",
}  # fmt: skip

__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"emovec_lite.{_HOME[name]}"), name)
    raise AttributeError(f"module 'emovec_lite' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
