"""How long a call takes, a GPU's unfinished work included."""

import time

import torch


def timed(function, *args):
    start = time.perf_counter()
    result = function(*args)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result
