"""How fast extraction is, as ratios from one run: `python tests/benchmarks/extraction.py [--stories 200]`.

Three ways over the same stories, taken in turns so that a slow minute of the machine hits all alike:
bare     the decoder over the library's own batches, nothing recorded
ours     `mean_activations`
replica  the published replication's way (arXiv 2606.26987): batches of 4 in file order, padded to the longest,
         LM head run, token activations of every layer captured and then pooled, fp32
Then the time to load the model from the cache, the time of `import emovec_lite`, and the peak memory.
"""

import argparse
import subprocess
import sys
import time

import torch
from timing import timed

from emovec_lite.activations import SKIP, length_batches, mean_activations, pad_right, reading, tokenize
from emovec_lite.environment import peak_memory_gb
from emovec_lite.extraction import centred_means
from emovec_lite.models import load_model
from emovec_lite.stories import load_corpus

ROUNDS = 2


def bare(subject, texts):
    tokens = tokenize(subject, texts)
    with torch.inference_mode():
        for batch in length_batches([len(t) for t in tokens]):
            ids, _ = pad_right([tokens[i] for i in batch], subject.tokenizer.pad_token_id, subject.device)
            subject.hf.base_model(input_ids=ids, use_cache=False)


def replica(subject, texts):
    pooled = []
    for start in range(0, len(texts), 4):
        batch = subject.tokenizer(texts[start : start + 4], return_tensors="pt", padding=True, padding_side="right")
        batch = batch.to(subject.device)
        captured = []

        def keep(layer, residual, captured=captured):
            if layer != "embed":
                captured.append(residual.detach().clone())

        with torch.inference_mode(), reading(subject, keep):
            subject.hf(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        mask = batch["attention_mask"].clone()
        mask[:, :SKIP] = 0
        weights = (mask / mask.sum(dim=1, keepdim=True))[None, :, :, None]
        pooled.append((torch.stack(captured) * weights).sum(dim=2).transpose(0, 1).float().cpu())
    return torch.cat(pooled).clone()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stories", type=int, default=200)
    args = parser.parse_args()
    start = time.perf_counter()
    subject = load_model()
    first = time.perf_counter() - start
    load = timed(load_model)[0]
    fp32 = subject if subject.dtype == torch.float32 else load_model(dtype=torch.float32)
    corpus = load_corpus()
    # Whole emotions spread over the corpus, so that centring means something.
    stories = [s for s in corpus if s.topic in corpus.topics[:5]][: args.stories]
    texts, labels = [s.text for s in stories], [s.emotion for s in stories]
    tokens = sum(map(len, tokenize(subject, texts)))
    for function, model in ((bare, subject), (mean_activations, subject), (replica, fp32)):
        function(model, texts[:8])  # warm up

    seconds = {"bare": 0.0, "ours": 0.0, "replica": 0.0}
    size = -(-len(texts) // ROUNDS)
    ours, theirs = [], []
    for part in (texts[i : i + size] for i in range(0, len(texts), size)):
        seconds["bare"] += timed(bare, subject, part)[0]
        elapsed, activations = timed(mean_activations, subject, part)
        seconds["ours"] += elapsed
        ours.append(activations.blocks)
        elapsed, pooled = timed(replica, fp32, part)
        seconds["replica"] += elapsed
        theirs.append(pooled)
    ours, theirs = (centred_means(torch.cat(x), labels)[0] for x in (ours, theirs))
    cosine = torch.nn.functional.cosine_similarity(ours, theirs, dim=-1).min(dim=0).values
    code = "import time; t = time.perf_counter(); import emovec_lite; print(time.perf_counter() - t)"
    imported = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    print(f"{subject}, {torch.get_num_threads()} threads, {len(texts)} stories, {tokens} tokens")
    for name, elapsed in seconds.items():
        print(f"{name:<8} {elapsed:7.1f} s {tokens / elapsed:7.0f} tokens/s")
    print(f"ours / bare    speed {seconds['bare'] / seconds['ours']:.3f}")
    print(f"ours / replica speed {seconds['replica'] / seconds['ours']:.2f}")
    print(f"centred vectors, ours against replica: lowest cosine {cosine.min():.6f} (layer {int(cosine.argmin())})")
    print(f"load from cache {load:.2f} s (first, with imports, {first:.1f} s); import emovec_lite {imported:.3f} s")
    print(f"peak memory of this benchmark, the replica's way included: {peak_memory_gb():.2f} GB")


if __name__ == "__main__":
    main()
