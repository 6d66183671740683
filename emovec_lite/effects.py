"""What steering does and what it costs: odds of words, texts and their judges by dose, and how far one can go."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from emovec_lite.activations import check_fit, known_layer, listed, mean_from, pad_right, reading, tokenize
from emovec_lite.controls import all_story_mean, random_directions, shuffled_label_directions
from emovec_lite.generation import (
    begun,
    check_logits,
    head_batches,
    next_tokens,
    perplexity,
    surprise,
    with_prompts,
    write,
)
from emovec_lite.geometry import ridge_axis
from emovec_lite.norms import ratings
from emovec_lite.steering import adding, push, steer
from emovec_lite.stories import DATA, load_neutral, words_of
from emovec_lite.vectors import Direction, EmotionVectors

if TYPE_CHECKING:
    import pandas
    from torch import Tensor

    from emovec_lite.models import Subject


# --- Odds of words -------------------------------------------------------------------------------------------

FEELS = ("He feels", "She feels", "In the evening he feels", "Her brother feels")


def word_odds(subject: Subject, words: Sequence[str], prompts: Sequence[str] = FEELS) -> Float[np.ndarray, " word"]:
    """Log odds of each word as the next one, mean over prompts; of a word of several tokens, those of its first."""
    return _log_odds(subject, words, tokenize(subject, prompts)).mean(axis=0)


def _log_odds(
    subject: Subject, words: Sequence[str], prompts: Sequence[Sequence[int]]
) -> Float[np.ndarray, "prompt word"]:
    import torch

    first = next_tokens(subject, words)
    tokens = [begun(subject, ids) for ids in prompts]
    ids, _ = pad_right(tokens, subject.tokenizer.pad_token_id, subject.device)
    with subject.lock, torch.inference_mode():
        logits = subject.hf(input_ids=ids, use_cache=False).logits
        logits = logits[range(len(tokens)), [len(text) - 1 for text in tokens]]
    check_logits(logits)
    p = logits.float().softmax(dim=-1)[:, first].cpu().double()
    return (p.log() - (1 - p).log()).numpy()


def odds_matrix(
    subject: Subject, directions: Sequence[Direction], words: Sequence[str], strength: float
) -> Float[np.ndarray, "direction word"]:
    """How far steering by each direction moves the log odds of each word after "He feels" and its like.

    The "I feel" test of Sofroniew et al. 2026 as a matrix: with `words` the names of `directions`, the diagonal says
    what an emotion does for its own word, the rest what it does for others'. Raises as `steer` does.
    """
    plain, prompts = word_odds(subject, words), tokenize(subject, FEELS)
    together = len(head_batches(subject, [max(map(len, prompts))] * ROWS)[0]) // len(prompts)
    rows = []
    for layer, patch in _side_by_side([push(subject, direction, strength) for direction in directions], together):
        with adding(subject, layer, patch.repeat_interleave(len(prompts), dim=0)[:, None]):
            odds = _log_odds(subject, words, prompts * len(patch))
        rows.extend(odds.reshape(len(patch), len(prompts), -1).mean(axis=1) - plain)
    return np.stack(rows)


def _side_by_side(
    pushes: Sequence[tuple[int, Float[Tensor, " d_model"]]], together: int
) -> Iterator[tuple[int, Float[Tensor, "push d_model"]]]:
    """Pushes in their order, as many of one layer as can stand in a batch: a row more costs little."""
    import torch

    for layer, group in groupby(pushes, key=itemgetter(0)):
        patches = [patch for _, patch in group]
        for i in range(0, len(patches), max(1, together)):
            yield layer, torch.stack(patches[i : i + max(1, together)])


# --- Dose and response ---------------------------------------------------------------------------------------

OPENINGS = (
    "The bus broke down, and she",
    "When he opened the letter, he",
    "At the end of the day they",
    "The neighbours came to the door, and I",
    "In the shop on the corner the two of them",
    "My sister called from the station and",
    "After the meeting we",
    "The children came home, and their father",
)
# None of them is an emotion of the course, and none leads from one to the other side of the scale by itself.
PLEASANT = ("good", "great", "nice", "wonderful", "beautiful", "perfect")
UNPLEASANT = ("bad", "terrible", "awful", "horrible", "ugly", "painful")
VERDICT = " ... All in all, it was"
TOKENS = 20  # of each text
ROWS = 64  # texts written side by side
TEMPERATURE = 0.7  # at 1 so small a model wanders off by itself


def judge(
    subject: Subject, vectors: EmotionVectors, layer: int, texts: Sequence[str], prompts: Sequence[str]
) -> dict[str, Float[np.ndarray, " text"]]:
    """What the unsteered model and a lexicon make of texts: three judges of valence, and what the texts are like.

    odds        log odds of pleasant against unpleasant words after the text and "All in all, it was"
    projection  the text's mean residual at `layer` on the ridge axis for human valence, in its points from 1 to 9
                (a short text can lie beyond both ends)
    lexicon     VADER's compound score, -1 to 1 (Hutto & Gilbert 2014); the model plays no part in it
    perplexity  of the text after its prompt
    distinct    share of different word pairs among its word pairs
    repeated    share of its runs of four words that it has had before
    """
    import torch

    layer = known_layer(layer, vectors.layers)
    human = ratings(vectors.emotions, "valence")
    rated = ~np.isnan(human)
    axis, intercept = ridge_axis(vectors.at(layer).double().numpy()[rated], human[rated])
    center = vectors.center[vectors.layers.index(layer)].double().numpy()
    sides = [next_tokens(subject, words) for words in (PLEASANT, UNPLEASANT)]
    tokens, first = with_prompts(subject, texts, prompts)
    verdict = subject.tokenizer(VERDICT, add_special_tokens=False)["input_ids"]
    check_fit(subject, [ids + verdict for ids in tokens])
    found = {name: np.full(len(tokens), np.nan) for name in ("odds", "projection", "perplexity")}
    for batch in head_batches(subject, [len(ids) + len(verdict) for ids in tokens]):
        rows = [tokens[i] + verdict for i in batch]
        ids, _ = pad_right(rows, subject.tokenizer.pad_token_id, subject.device)
        seen = {}

        def keep(at, residual, seen=seen) -> None:
            if at == layer:
                seen[layer] = residual

        with torch.inference_mode(), reading(subject, keep):
            logits = subject.hf(input_ids=ids, use_cache=False).logits
        check_logits(logits)
        for row, i in enumerate(batch):
            end = len(tokens[i])
            said = logits[row, len(rows[row]) - 1].float().log_softmax(dim=-1)
            found["odds"][i] = float(said[sides[0]].logsumexp(dim=0) - said[sides[1]].logsumexp(dim=0))
            if end > first[i]:
                mean = seen[layer][row, first[i] : end].float().mean(dim=0).cpu().double().numpy()
                found["projection"][i] = (mean - center) @ axis + intercept
                found["perplexity"][i] = float(surprise(logits[row], tokens[i], first[i]).mean().exp())
    return {**found, **text_measures(texts)}


def text_measures(texts: Sequence[str]) -> dict[str, Float[np.ndarray, " text"]]:
    """The measures of `judge` that need no model: `lexicon`, `distinct` and `repeated`."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    vader = SentimentIntensityAnalyzer()
    texts = listed(texts)
    words = [words_of(text) for text in texts]
    return {
        "lexicon": np.array([vader.polarity_scores(text)["compound"] for text in texts]),
        "distinct": np.array([1 - repetition(w, 2) for w in words]),
        "repeated": np.array([repetition(w, 4) for w in words]),
    }


def repetition(words: Sequence[str], n: int) -> float:
    """Share of the runs of n words that have stood in the text before; 0 for a text of fewer words."""
    runs = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def sampled(subject: Subject, prompts: Sequence[str], seeds: Sequence[int], tokens: int) -> list[str]:
    """A sample of what the model writes after each prompt, by its own seed."""
    import torch

    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    return write(subject, tokenize(subject, prompts), tokens, temperature=TEMPERATURE, generators=generators)


def dose_response(
    subject: Subject,
    vectors: EmotionVectors,
    directions: Mapping[str, Sequence[Direction]],
    strengths: Sequence[float],
    judged_at: int,
    *,
    prompts: Sequence[str] = OPENINGS,
    seeds: Sequence[int] = (0,),
    tokens: int = TOKENS,
) -> pandas.DataFrame:
    """Sample continuations under every direction and strength, and judge each: a row a text.

    `directions` come by kind: {"emotion": [...], "random": [...]}. Columns: kind, direction, strength, prompt, seed,
    text, and those of `judge`, whose layer is `judged_at`: choose another than the directions'. Unsteered texts
    stand in rows of kind "unsteered". Every condition uses the same random numbers. Ctrl-C ends it early: what is
    done comes back. Raises as `steer` does, before anything is written.
    """
    import pandas
    from tqdm.auto import tqdm

    grid = [(prompt, seed) for prompt in prompts for seed in seeds]
    plain = replace(next(iter(directions.values()))[0], name="unsteered")
    todo = [("unsteered", plain, 0.0)]
    todo += [(kind, d, s) for kind, group in directions.items() for d in group for s in strengths]
    pushes = [push(subject, direction, strength) for _, direction, strength in todo]
    parts: list[pandas.DataFrame] = []
    bar = tqdm(total=len(todo), desc="Steering", unit=" conditions", file=sys.stderr, disable=len(todo) < 8)
    try:
        for layer, patch in _side_by_side(pushes, ROWS // len(grid)):
            batch = todo[len(parts) :][: len(patch)]
            with adding(subject, layer, patch.repeat_interleave(len(grid), dim=0)[:, None]):
                texts = sampled(subject, *zip(*grid * len(batch), strict=True), tokens)
            found = judge(subject, vectors, judged_at, texts, [prompt for prompt, _ in grid] * len(batch))
            for i, (kind, direction, strength) in enumerate(batch):
                rows = slice(i * len(grid), (i + 1) * len(grid))
                table = pandas.DataFrame(grid, columns=["prompt", "seed"]).assign(text=texts[rows])
                table = table.assign(**{name: values[rows] for name, values in found.items()})
                parts.append(table.assign(kind=kind, direction=direction.name, strength=strength))
            bar.update(len(batch))
    except KeyboardInterrupt:
        print(f"Interrupted: {len(parts)} of {len(todo)} conditions are done.")
    bar.close()
    columns = ["kind", "direction", "strength", "prompt", "seed", "text"]
    columns += ["odds", "projection", "lexicon", "perplexity", "distinct", "repeated"]
    return pandas.concat(parts, ignore_index=True)[columns] if parts else pandas.DataFrame(columns=columns)


def shipped_doses() -> pandas.DataFrame:
    """The course's own `dose_response` of the default model at layer 19, judged at 24: 24 texts for each condition.

    Six emotions, 20 random directions, 5 of shuffled labels and the mean of all stories, at four strengths. Made by
    `python -m emovec_lite.effects`, in fp32 on a CPU.
    """
    import pandas

    return pandas.read_csv(DATA / "doses.csv.xz").fillna({"text": ""})  # an empty text is none, and not a missing one


# --- How far can one go --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """Where and how hard to steer towards one emotion in this model."""

    direction: Direction  # at the layer where steering does most at a bounded price
    strength: float  # the largest whose price is within the bound
    table: pandas.DataFrame  # for each layer tried: strength, price and effect


def calibrate(
    subject: Subject, vectors: EmotionVectors, emotion: str, layers: Sequence[int] | None = None, bound: float = 1.5
) -> Calibration:
    """Find the layer, and the largest strength in steps of 0.05 up to 1, at which steering is worth its price.

    Price: how many times higher a neutral passage's perplexity is under steering; at most `bound`. Effect: how far
    the texts written under steering, read again without it, have moved along the emotion's own direction two thirds
    up, against unsteered ones, in hundredths of the mean residual norm there. A strength does not carry over from
    one model to another, nor from one layer to another: hence this search. `layers` default to six, evenly spaced
    from a quarter of the depth on.
    """
    import pandas
    from tqdm.auto import tqdm

    if layers is None:
        layers = sorted({round(x) for x in np.linspace(subject.n_layers // 4, subject.n_layers - 1, 6)})
    passage, prompts = load_neutral()[:1], OPENINGS
    readout = vectors.direction(emotion, subject.main_layer)

    def surprise_under(direction: Direction, strength: float) -> float:
        with steer(subject, direction, strength):
            return float(np.log(perplexity(subject, passage)).mean())

    def along(direction: Direction, strength: float) -> float:
        with steer(subject, direction, strength):
            texts = sampled(subject, prompts, range(len(prompts)), TOKENS)
        pairs = [(ids, i) for ids, i in zip(*with_prompts(subject, texts, prompts), strict=True) if len(ids) > i]
        if not pairs:  # steered into silence
            return float("nan")
        means = mean_from(subject, *zip(*pairs, strict=True)).at(readout.layer)
        return float((means @ readout.vector).mean()) / readout.residual_norm * 100

    plain = surprise_under(readout, 0.0)
    unmoved = along(readout, 0.0)
    rows = []
    for layer in tqdm(layers, desc="Calibrating", unit=" layers", file=sys.stderr):
        direction = vectors.direction(emotion, layer)
        low, high, price = 0, 21, 1.0  # in steps of 0.05; the price rises with strength, so halve the interval
        while high - low > 1:
            middle = (low + high) // 2
            found = float(np.exp(surprise_under(direction, middle * 0.05) - plain))
            low, high, price = (middle, high, found) if found <= bound else (low, middle, price)
        strength = round(low * 0.05, 2)
        effect = along(direction, strength) - unmoved
        rows.append({"layer": direction.layer, "strength": strength, "price": price, "effect": effect})
    table = pandas.DataFrame(rows)
    best = table.loc[table.effect.idxmax()]
    return Calibration(vectors.direction(emotion, int(best.layer)), float(best.strength), table)


if __name__ == "__main__":  # remake the shipped doses: about a quarter of an hour on two cores
    import torch

    from emovec_lite.extraction import load_or_compute
    from emovec_lite.models import load_model
    from emovec_lite.stories import load_corpus

    default, corpus = load_model(device="cpu", dtype=torch.float32), load_corpus()
    made = load_or_compute(default)
    like = made.direction("happy", 19)
    groups = {
        "emotion": [made.direction(name, 19) for name in ("happy", "grateful", "calm", "sad", "afraid", "angry")],
        "random": random_directions(like, 20),
        "shuffled": shuffled_label_directions(made, corpus, like, 5),
        "all stories": [all_story_mean(made, like)],
    }
    table = dose_response(default, made, groups, (-0.25, 0.1, 0.25, 0.4), 24, seeds=(0, 1, 2))
    table.round(3).to_csv(DATA / "doses.csv.xz", index=False)
