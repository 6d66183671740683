"""Chapter 03, do the vectors mean it?: the course's own answers, and what an answer must do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float, Int

from emovec_lite.course.checks import Answer, NotYet, agree, exercise, expect, shipped_vectors
from emovec_lite.geometry import permutation_p
from emovec_lite.vectors import centred_means

if TYPE_CHECKING:
    from torch import Tensor

    from emovec_lite.models import Subject


def nearest(
    train: Float[Tensor, "train d_model"], labels: Sequence[str], new: Float[Tensor, "new d_model"]
) -> list[str]:
    from torch.nn.functional import normalize

    vectors, centre = centred_means(train, labels)
    emotions = sorted(set(labels))
    cosines = normalize(new - centre, dim=1) @ normalize(vectors, dim=1).T
    return [emotions[i] for i in cosines.argmax(dim=1)]


def held_out(classify: Callable, items: Sequence, labels: Sequence[str], topics: Sequence[str]) -> list[str]:
    predicted = [""] * len(labels)
    for topic in sorted(set(topics)):
        train = [i for i, t in enumerate(topics) if t != topic]
        test = [i for i, t in enumerate(topics) if t == topic]
        found = classify(_take(items, train), [labels[i] for i in train], _take(items, test))
        for i, label in zip(test, found, strict=True):
            predicted[i] = label
    return predicted


def shuffle_within(labels: Sequence[str], topics: Sequence[str], seed: int) -> list[str]:
    draw, shuffled = random.Random(seed), list(labels)
    for topic in sorted(set(topics)):
        rows = [i for i, t in enumerate(topics) if t == topic]
        for i, j in zip(rows, draw.sample(rows, len(rows)), strict=True):
            shuffled[i] = labels[j]
    return shuffled


def p_value(observed: float, null: Sequence[float]) -> float:

    import numpy as np

    return permutation_p(observed, np.asarray(null))


def lens(subject: Subject, vector: Float[Tensor, " d_model"], k: int) -> list[str]:
    logits = subject.hf.lm_head(subject.final_norm(vector.to(subject.device, subject.dtype)))
    return [subject.tokenizer.decode([i]) for i in logits.topk(k).indices.tolist()]


def implied_ranks(
    messages: Float[Tensor, "message d_model"],
    vectors: Float[Tensor, "emotion d_model"],
    right: Int[Tensor, " message"],
) -> Int[Tensor, " message"]:
    from torch.nn.functional import normalize

    scores = (messages - messages.mean(dim=0)) @ normalize(vectors, dim=1).T
    own = scores[range(len(right)), right]
    return 1 + (scores > own[:, None]).sum(dim=1)


def _take(items: Sequence, rows: list[int]) -> Sequence:
    return items[rows] if hasattr(items, "shape") else [items[i] for i in rows]


@exercise("3.1", "The nearest emotion", difficulty=3, importance=5, minutes=8, reference=nearest)
def check_nearest(answer: Answer) -> Iterator[str]:
    import torch

    yield "one emotion a story"
    train = torch.tensor([[17.0, 2.0], [10.0, 4.0], [13.0, 11.0], [16.0, 1.0], [13.0, 12.0], [18.0, 12.0]])
    labels = ["sad", "sad", "calm", "calm", "calm", "angry"]  # not as many of each
    new = torch.tensor([[10.0, 10.0], [16.0, 7.0], [-2.0, 5.0], [6.0, -2.0], [14.0, 18.0]])
    got = answer.listing(train, labels, new, length=5)
    expect(
        all(isinstance(name, str) for name in got),
        "Those are numbers. Name the emotions: row i is the i-th of `sorted(set(labels))`.",
    )
    yield "by the highest cosine with centred vectors"
    right = nearest(train, labels, new)
    vectors, centre = centred_means(train, labels)
    emotions = sorted(set(labels))

    def named(scores: Tensor) -> list[str]:
        return [emotions[i] for i in scores.argmax(dim=1)]

    unit = torch.nn.functional.normalize(vectors, dim=1)
    uncentred = torch.nn.functional.normalize(vectors + centre, dim=1)
    mistakes = {
        "That is the *farthest* emotion: take the highest cosine.": named(-((new - centre) @ unit.T)),
        "You did not subtract the centre from the new stories: what all stories share then decides.": named(
            new @ unit.T
        ),
        "Nothing is centred: with what all stories share still in, every cosine is about 1.": named(
            new @ uncentred.T
        ),
        "You took the dot product with vectors of unequal length, so the longest vector wins. Scale the vectors to "
        "length 1.": named((new - centre) @ vectors.T),
        "You centred the new stories by their own mean. What is subtracted must come from the training stories "
        "alone.": named((new - new.mean(dim=0)) @ unit.T),
        "You subtracted the mean over *stories* from the new ones. The centre is the mean over emotions' "
        "means.": named((new - train.mean(dim=0)) @ unit.T),
        "You subtracted the mean over *stories*. The centre is the mean over the emotions' means.": named(
            (new - train.mean(dim=0)) @ torch.nn.functional.normalize(vectors + centre - train.mean(dim=0), dim=1).T
        ),
        "That is the nearest by distance, in which the longest vectors have their way. Take the cosine.": named(
            -torch.cdist(new, vectors + centre)
        ),
    }
    for message, wrong in mistakes.items():
        expect(wrong == right or got != wrong, message)
    expect(got == right, f"For five new stories you named {got}; by cosine with the centred vectors it is {right}.")
    yield "real stories"
    activations, labels, topics = _real()
    rows = [i for i, topic in enumerate(topics) if topic != "bus"]
    new = activations[[i for i, topic in enumerate(topics) if topic == "bus"]]
    train, labels = activations[rows], [labels[i] for i in rows]
    got = answer.listing(train, labels, new, length=len(new))
    want = nearest(train, labels, new)
    same = sum(a == b for a, b in zip(got, want, strict=True))
    expect(
        same >= len(want) - 1, f"On the course's stories {len(want) - same} of {len(want)} names are not the nearest."
    )


@exercise("3.2", "Hold topics out", difficulty=3, importance=5, minutes=10, reference=held_out)
def check_held_out(answer: Answer) -> Iterator[str]:
    import torch

    yield "one prediction a story"
    items = torch.arange(6.0)[:, None]
    labels, topics = list("abcdef"), ["t", "t", "u", "u", "v", "v"]
    seen: list[tuple[list[float], list[str], list[float]]] = []

    def spy(train, train_labels, new):
        seen.append((_flat(train), list(train_labels), _flat(new)))
        return [f"prediction {value:g}" for value in _flat(new)]

    got = answer.listing(spy, items, labels, topics, length=6)
    yield "trained on the other topics only"
    for train, train_labels, new in seen:
        expect(
            not set(train) & set(new),
            f"`classify` was trained on stories that it was then tested on (story {min(set(train) & set(new), default=0):g}"
            "). Of the topic that is tested nothing may be in the training.",
        )
        expect(
            len(train) == len(train_labels),
            f"`classify` got {len(train)} stories and {len(train_labels)} labels to learn from: leave the held-out "
            "topic out of both.",
        )
        expect(
            train_labels == [labels[int(value)] for value in train],
            "The training labels do not belong to the training stories: they have come apart.",
        )
        tested = {topics[int(value)] for value in new}
        trained = {topics[int(value)] for value in train}
        expect(
            not tested & trained,
            "A story was tested while others *on its topic* were in the training. Leave out whole topics: stories of "
            "one topic share words that have nothing to do with the emotion.",
        )
        others = [float(i) for i, topic in enumerate(topics) if topic not in tested]
        expect(
            len(tested) == 1 and sorted(train) == others,
            "Test one topic at a time, and train on all the stories of all the other topics.",
        )
    yield "predictions in the stories' order"
    want = [f"prediction {value}" for value in range(6)]
    expect(got == want, "The predictions are not in the order of the stories.")
    order = [0, 2, 4, 1, 3, 5]
    got = answer.listing(spy, items[order], [labels[i] for i in order], [topics[i] for i in order], length=6)
    expect(
        got == [f"prediction {value}" for value in order],
        "The predictions are in the order of the *topics*. Where a topic's stories are not side by side, each "
        "prediction must still stand at its own story's place.",
    )
    yield "a list of texts"
    texts = ["x", "y", "z"]
    but = "It works for a tensor and not for a list of texts, which word counts need"
    try:
        got = answer.listing(
            lambda train, labels, new: [text.upper() for text in new],
            texts,
            ["a", "b", "a"],
            ["t", "u", "t"],
            length=3,
        )
    except NotYet as problem:
        raise NotYet(f"{but}: {problem}") from problem
    expect(got == ["X", "Y", "Z"], f"{but}.")


@exercise("3.3", "Shuffle, but within topics", difficulty=2, importance=4, minutes=6, reference=shuffle_within)
def check_shuffle_within(answer: Answer) -> Iterator[str]:
    yield "one label a story"
    topics = ["t", "u"] * 12
    labels = [f"{topic}{i // 2}" for i, topic in enumerate(topics)]
    kept = list(labels)
    got = answer.listing(labels, topics, 0, length=24)
    expect(labels == kept, "You shuffled the list that was passed to you. Make a copy: `list(labels)`.")
    yield "the same labels, in another order"
    expect(got != labels, "Nothing was shuffled.")
    expect(
        sorted(got) == sorted(labels),
        "Some labels are gone and others come twice: you drew with replacement. A shuffle keeps each label once.",
    )
    yield "within each topic"
    expect(
        all(label[0] == topic for label, topic in zip(got, topics, strict=True)),
        "A label went over to another topic. Then each topic no longer holds every emotion once, and the null is of "
        "another experiment. Shuffle the labels of one topic among that topic's stories.",
    )
    yield "by the seed"
    expect(answer.listing(labels, topics, 0, length=24) == got, "The same seed gave another order.")
    others = [answer.listing(labels, topics, seed, length=24) for seed in range(1, 6)]
    expect(any(other != got for other in others), "Every seed gives the same order: use `seed`.")
    first, second = (got[i::2] for i in (0, 1))
    expect(
        any([label[1:] for label in other[0::2]] != [label[1:] for label in other[1::2]] for other in [got, *others]),
        "Every topic is shuffled in the same way: draw anew for each, from one generator.",
    )


@exercise("3.4", "A p-value that is never 0", difficulty=2, importance=5, minutes=5, reference=p_value)
def check_p_value(answer: Answer) -> Iterator[str]:
    import torch

    yield "a number"
    null = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    got = answer.tensor(0.75, null, shape=(), axes="")
    yield "the share at least as extreme, the observed one counted in"
    agree(
        got, torch.tensor(0.3),
        {
            "That is the share of the null below. How often is chance *at least as good*?": torch.tensor(7 / 9),
            "You counted the null below. How often is chance *at least as good*?": torch.tensor(8 / 10),
            "Count the observed value in, above and below the line: (1 + 2) / (1 + 9). It is one of the ways in which "
            "the labels could lie.": torch.tensor(2 / 9),
            "Count the observed value in below the line too: divide by 1 + the number of permutations.": torch.tensor(
                3 / 9
            ),
            "Count the observed value in above the line too: 1 + the number at least as good.": torch.tensor(2 / 10),
        },
        "For 0.75 and a null of 0.1, 0.2 ... 0.9 it is (1 + 2) / (1 + 9).",
    )  # fmt: skip
    yield "never 0"
    got = answer.tensor(2.0, null, shape=(), axes="")
    expect(got > 0, "It is 0 for a value above all of the null. Nine permutations cannot show less than one in ten.")
    agree(got, torch.tensor(0.1), {}, "Above all nine it should be 1 / (1 + 9).")
    yield "ties count"
    got = answer.tensor(0.5, null, shape=(), axes="")
    agree(
        got, torch.tensor(0.6),
        {"A value of the null *equal* to the observed one counts as at least as good: >=, not >.": torch.tensor(0.5)},
        "For 0.5 and a null of 0.1, 0.2 ... 0.9 it is (1 + 5) / (1 + 9).",
    )  # fmt: skip


@exercise("3.5", "What a direction says", difficulty=2, importance=3, minutes=5, reference=lens)
def check_lens(answer: Answer, subject: Subject) -> Iterator[str]:
    import torch

    yield "k tokens"
    vectors = shipped_vectors()
    vector = vectors.direction("lonely", min(24, vectors.n_layers - 1)).vector
    if len(vector) != subject.d_model:  # a larger tier: any direction of its width will do
        vector = torch.randn(subject.d_model, generator=torch.Generator().manual_seed(0))
    got = answer.listing(subject, vector, 8, length=8)
    expect(
        all(isinstance(token, str) for token in got),
        "Those are ids. Turn each into its token: `subject.tokenizer.decode([i])`.",
    )
    expect(
        not any("\u0120" in token for token in got),
        "Those are the tokens as the vocabulary spells them (Ġ is a space). Turn each into its text: "
        "`subject.tokenizer.decode([i])`.",
    )
    yield "those that it makes likeliest"
    want = lens(subject, vector, 8)
    with torch.inference_mode():
        moved = vector.to(subject.device, subject.dtype)
        plain = subject.hf.lm_head(moved)

    def strip(tokens: Sequence[str]) -> list[str]:
        return sorted(token.strip() for token in tokens)

    def tokens(logits: Tensor) -> list[str]:
        return [subject.tokenizer.decode([i]) for i in logits.topk(8).indices.tolist()]

    expect(
        strip(got) != strip(lens(subject, -vector, 8)),
        "Those are the tokens that the direction makes *un*likeliest: the sign is turned round.",
    )
    expect(
        strip(got) == strip(want) or strip(got) != strip(tokens(plain)),
        "The final norm is missing: it weighs the dimensions, some much more than others, before `lm_head` reads "
        "them.",
    )
    expect(strip(got) == strip(want), f"Not the eight tokens with the highest logits. Expected {want}.")
    yield "the likeliest first"
    expect([t.strip() for t in got] == [t.strip() for t in want], "The right tokens, but not the likeliest first.")
    yield "as many as are asked for"
    got = answer.listing(subject, vector, 3, length=3)
    expect(
        [t.strip() for t in got] == [t.strip() for t in want[:3]], "Asked for three, these are not the first three."
    )


@exercise("3.6", "Rank the implied emotion", difficulty=3, importance=4, minutes=8, reference=implied_ranks)
def check_implied_ranks(answer: Answer) -> Iterator[str]:
    import torch

    yield "one rank a message"
    generator = torch.Generator().manual_seed(2)
    vectors = torch.randn(5, 7, generator=generator) * torch.tensor([[1.0], [3.0], [0.5], [2.0], [6.0]])
    right = torch.tensor([2, 0, 4, 4, 1, 3])
    messages = vectors[right] / vectors[right].norm(dim=1, keepdim=True) + torch.randn(6, 7, generator=generator)
    messages = messages + 10 * torch.randn(7, generator=generator)
    got = answer.tensor(messages, vectors, right, shape=(6,), axes="message")
    yield "by cosine, the messages centred"
    want = implied_ranks(messages, vectors, right).double()
    unit, centred = vectors / vectors.norm(dim=1, keepdim=True), messages - messages.mean(dim=0)

    def ranks(scores: Tensor) -> Tensor:
        own = scores[range(6), right]
        return 1.0 + (scores > own[:, None]).sum(dim=1)

    agree(
        got, want,
        {
            "Those count from 0. The best rank is 1.": want - 1,
            "The ranks run the wrong way: 1 is for the *highest* cosine.": 6 - want,
            "The messages are not centred: what all prompts share at their last token outweighs the rest. Subtract the "
            "mean over the messages.": ranks(messages @ unit.T),
            "You took dot products with vectors of unequal length. Scale the vectors to length 1.": ranks(
                centred @ vectors.T
            ),
            "You centred over d_model. Subtract the mean *message*, dim 0.": ranks(
                (messages - messages.mean(dim=1, keepdim=True)) @ unit.T
            ),
            "Those are the emotions with the highest cosine, not the rank of the right one.": (
                centred @ unit.T
            ).argmax(dim=1),
            "One `argsort` names the emotion at each rank, not the rank of each emotion. Count how many score higher "
            "than the right one.": 1 + (order := (centred @ unit.T).argsort(dim=1, descending=True))[range(6), right],
            "One `argsort` names the emotion at each rank, not the rank of each emotion.": order[range(6), right],
            "The right emotion was counted as higher than itself: > and not >=.": want + 1,
            "The ranks run the wrong way, and from 0: 1 is for the *highest* cosine.": 5 - want,
        },
        "Not the rank of the right emotion among all, by cosine after centring the messages.",
        tolerance=1e-6,
    )  # fmt: skip


def _flat(items) -> list[float]:
    return [float(value[0]) for value in items]


def _real() -> tuple[Tensor, list[str], list[str]]:
    """Real stories at layer 19 with their labels and topics."""
    from emovec_lite import load_corpus

    corpus = load_corpus()
    return shipped_vectors().stories.at(19), corpus.labels, [story.topic for story in corpus]
