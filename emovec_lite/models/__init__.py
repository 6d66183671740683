"""Open language models: their names, their weights, and one small object to use them."""

from emovec_lite.models.registry import DEFAULT_MODEL, MODELS, ModelSpec, Wheel, spec_of
from emovec_lite.models.subject import Subject, default_dtype, load_model
from emovec_lite.models.weights import cache_folder, cached, fetch, results_folder, sha256, ticking

__all__ = [
    "DEFAULT_MODEL", "MODELS", "ModelSpec", "Subject", "Wheel", "cache_folder", "cached", "default_dtype", "fetch",
    "load_model", "results_folder", "sha256", "spec_of", "ticking",
]  # fmt: skip
