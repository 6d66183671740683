"""What steering costs in speed, as ratios from one run: `python tests/benchmarks/steering.py [--tokens 64]`.

Greedy text of one prompt, three ways in turns so that a slow minute of the machine hits all alike:
plain    transformers' own `generate`
steered  the same inside `steer`, at all positions
nnsight  an intervention at every step of nnsight's `generate`
Then how long the first piece of a steered stream takes.
"""

import argparse
import statistics

import torch
from timing import timed

from emovec_lite.extraction import load_or_compute
from emovec_lite.generation import stream
from emovec_lite.models import DEFAULT_MODEL, load_model
from emovec_lite.steering import steer

ROUNDS = 7
PROMPT = "The bus broke down, and she"


def generated(subject, ids, tokens):
    return subject.hf.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False,
        pad_token_id=subject.tokenizer.pad_token_id,
    )  # fmt: skip


def by_nnsight(subject, direction, patch, tokens):
    options = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
    with subject.nn.generate(PROMPT, **options) as tracer:
        for _ in tracer.iter[:tokens]:
            subject.nn.model.layers[direction.layer].output[:] += patch
        ids = tracer.result.save()
    return ids


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=64)
    tokens = parser.parse_args().tokens
    subject = load_model()
    direction, strength = load_or_compute(DEFAULT_MODEL).direction("afraid", 19), 0.25
    patch = (strength * direction.residual_norm * direction.vector).to(subject.device, subject.dtype)
    ids = torch.tensor(subject.tokenizer([PROMPT])["input_ids"], device=subject.device)

    def steered():
        with steer(subject, direction, strength):
            return generated(subject, ids, tokens)

    ways = {
        "plain": lambda: generated(subject, ids, tokens),
        "steered": steered,
        "nnsight": lambda: by_nnsight(subject, direction, patch, tokens),
    }
    seconds = {name: [] for name in ways}
    results = {}
    with torch.inference_mode():
        for way in ways.values():
            way()  # warm up
        for _ in range(ROUNDS):
            for name, way in ways.items():
                elapsed, results[name] = timed(way)
                seconds[name].append(elapsed)
    assert torch.equal(results["steered"], results["nnsight"]) and not torch.equal(
        results["steered"], results["plain"]
    )

    def first_piece():
        with steer(subject, direction, strength):
            return next(stream(subject, PROMPT))

    print(f"{subject}, {torch.get_num_threads()} threads, {tokens} tokens, {ROUNDS} rounds; medians")
    for name, values in seconds.items():
        print(f"{name:<8} {tokens / statistics.median(values):6.1f} tokens/s")
    for name in ("steered", "nnsight"):
        ratios = [plain / other for plain, other in zip(seconds["plain"], seconds[name], strict=True)]
        print(
            f"{name} / plain  speed {statistics.median(ratios):.3f} (rounds {min(ratios):.3f} to {max(ratios):.3f})"
        )
    print("steered and nnsight: the same tokens")
    print(f"first piece of a steered stream: {statistics.median(timed(first_piece)[0] for _ in range(5)):.3f} s")


if __name__ == "__main__":
    main()
