"""Exercise 3.6: rank the implied emotion."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import rankdata
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor
from torch.nn.functional import normalize

from emovec_lite.course.exercise import Exercise


def implied_ranks(
    messages: Float[Tensor, "message d_model"],
    vectors: Float[Tensor, "emotion d_model"],
    right: Int[Tensor, " message"],
) -> Int[Tensor, " message"]:
    centred = messages - messages.mean(dim=0)
    scores = centred @ torch.nn.functional.normalize(vectors, dim=1).T
    own = scores[range(len(right)), right]
    return 1 + (scores > own[:, None]).sum(dim=1)


def some_messages(rng: np.random.Generator, message: int, emotion: int, d_model: int, ties: bool = False) -> tuple:
    """Messages with much in common, unequal vectors off the origin; no emotion quite as near as the right one."""
    vectors = rng.normal(size=(emotion, d_model)) * rng.uniform(0.2, 6, size=(emotion, 1)) + rng.normal(size=d_model)
    right = rng.integers(emotion, size=message)
    if ties:  # between two that are not right
        vectors[-1], right = vectors[-2], right % (emotion - 2)
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    own = directions[right] * rng.uniform(0, 2, size=(message, 1)) + rng.normal(size=(message, d_model))
    messages, vectors = torch.tensor(own + 8 * rng.normal(size=d_model)).float(), torch.tensor(vectors).float()
    scores = scores_of(messages, vectors)
    apart = (scores - scores[range(message), right][:, None]).abs().sort(dim=1).values[:, 1]
    if apart.min() < 0.001:
        return some_messages(rng, message, emotion, d_model, ties)
    return messages, vectors, torch.tensor(right)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    return {
        "two messages": some_messages(rng, 2, 3, 4),
        "more messages than emotions": some_messages(rng, 7, 4, 6),
        "more emotions than messages": some_messages(rng, 3, 9, 6),
        "two emotions alike": some_messages(rng, 6, 5, 4, ties=True),
        "as many messages as emotions and dimensions": some_messages(rng, 5, 5, 5),
        "48 messages, 48 emotions": some_messages(rng, 48, 48, 64),
    }


def draw(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    message, emotion, d_model = (int(n) for n in rng.integers(2, 10, size=3))
    return some_messages(rng, message, emotion + 2, d_model, ties=rng.random() < 0.3)


def rows(vectors: Tensor) -> Tensor:
    return normalize(vectors, dim=1)


def centre(messages: Tensor) -> Tensor:
    return messages - messages.mean(dim=0)


def scores_of(messages: Tensor, vectors: Tensor) -> Tensor:
    return centre(messages) @ rows(vectors).T


def ranking(scores: Callable[[Tensor, Tensor], Tensor] = scores_of, at: Callable = lambda right: right):
    """An answer that ranks emotion `at(right)` by these scores of (messages, vectors)."""

    def answer(messages, vectors, right):
        found = scores(messages, vectors)
        return 1 + (found > found[range(len(right)), at(right)][:, None]).sum(dim=1)

    return answer


lowest_first = ranking(lambda messages, vectors: -scores_of(messages, vectors))


def by_one_argsort(messages: Tensor, vectors: Tensor, right: Tensor) -> Tensor:
    return scores_of(messages, vectors).argsort(dim=1, descending=True)[range(len(right)), right]


def among_messages(messages: Tensor, vectors: Tensor, right: Tensor) -> Tensor:
    scores = scores_of(messages, vectors)[:, right]
    return 1 + (scores > scores.diagonal()).sum(dim=0)


def by_sorting(messages: Tensor, vectors: Tensor, right: Tensor) -> Tensor:
    scores = torch.cosine_similarity(centre(messages)[:, None], vectors[None], dim=-1)
    order = scores.argsort(dim=1, descending=True)
    return (order == right[:, None]).nonzero()[:, 1] + 1


def by_scipy(messages: Tensor, vectors: Tensor, right: Tensor) -> Tensor:
    messages, vectors = messages.double().numpy(), vectors.double().numpy()
    scores = cosine_similarity(messages - messages.mean(axis=0), vectors)
    return torch.tensor(rankdata(-scores, axis=1)[np.arange(len(right)), right.numpy()])


def in_a_loop(messages: Tensor, vectors: Tensor, right: Tensor) -> Tensor:
    ranks, mean = [], messages.mean(dim=0)
    for message, own in zip(messages, right.tolist(), strict=True):
        cosines = [float((message - mean) @ v / v.norm()) for v in vectors]
        ranks.append(sorted(cosines, reverse=True).index(cosines[own]) + 1)
    return torch.tensor(ranks)


def at_least_as_high(messages: Tensor, vectors: Tensor, right: Tensor) -> Tensor:
    scores = torch.einsum("md,ed->me", centre(messages), vectors) / vectors.norm(dim=1)
    return (scores >= scores.gather(1, right[:, None])).sum(dim=1).float()


exercise = Exercise(
    "3.6", "Rank the implied emotion", difficulty=3, importance=4, minutes=8, axes="message", tolerance=1e-5,
    reference=implied_ranks, edges=edges, draw=draw,
    mistakes={
        "Those count from 0. The best rank is 1.": lambda *args: implied_ranks(*args) - 1,
        "The right emotion was counted as higher than itself: > and not >=.": lambda *args: implied_ranks(*args) + 1,
        "The ranks run the wrong way: 1 is for the *highest* cosine.": lowest_first,
        "The ranks run the wrong way, and from 0: 1 is for the *highest* cosine.": lambda *args: lowest_first(*args) - 1,
        "The messages are not centred: what all prompts share at their last token outweighs the rest. Subtract the mean over the "
        "messages.": ranking(lambda messages, vectors: messages @ rows(vectors).T),
        "You took dot products with vectors of unequal length. Scale the vectors to length "
        "1.": ranking(lambda messages, vectors: centre(messages) @ vectors.T),
        "You scaled the columns of the vectors to length 1 and not their rows: a vector is a row, so "
        "`dim=1`.": ranking(lambda messages, vectors: centre(messages) @ normalize(vectors, dim=0).T),
        "You scaled the columns of messages and vectors to length 1 and not their rows: a vector is a row, so "
        "`dim=1`.": ranking(lambda messages, vectors: normalize(centre(messages), dim=0) @ normalize(vectors, dim=0).T),
        "Every dimension of the messages counts as much as every other: you standardised them, or scaled columns to length 1 "
        "(`dim=0`). Subtract their mean, no more.": ranking(lambda messages, vectors: normalize(centre(messages), dim=0) @ rows(vectors).T),
        "You centred over d_model. Subtract the mean *message*, dim "
        "0.": ranking(lambda messages, vectors: (messages - messages.mean(dim=1, keepdim=True)) @ rows(vectors).T),
        "You subtracted one number, the mean of all entries. Subtract the mean *message*, dim "
        "0.": ranking(lambda messages, vectors: (messages - messages.mean()) @ rows(vectors).T),
        "You centred the vectors as well as the messages. Take the vectors as they are "
        "given.": ranking(lambda messages, vectors: scores_of(messages, centre(vectors))),
        "You subtracted the mean vector from the messages. What they share is their own mean, over "
        "messages.": ranking(lambda messages, vectors: (messages - vectors.mean(dim=0)) @ rows(vectors).T),
        "That is the rank by distance. Take the "
        "cosine.": ranking(lambda messages, vectors: -torch.cdist(centre(messages), vectors)),
        "You ranked emotion i for message i. The right one of message i is "
        "`right[i]`.": ranking(at=lambda right: torch.arange(len(right))),
        "You ranked the messages for each emotion. Rank the emotions for each message: `dim=1`.": among_messages,
        "Those are the emotions with the highest cosine, not the rank of the right "
        "one.": lambda messages, vectors, right: scores_of(messages, vectors).argmax(dim=1),
        "One `argsort` names the emotion at each rank, not the rank of each emotion. Count how many score higher than the right "
        "one.": lambda *args: 1 + by_one_argsort(*args),
        "One `argsort` names the emotion at each rank, not the rank of each emotion.": by_one_argsort,
    },
    equivalent={
        "scores = centred @ torch.nn.functional.normalize(vectors).T": "dim 1 is the default",
    },
    right=[by_sorting, by_scipy, in_a_loop, at_least_as_high],
    discuss="Word counts rank the implied emotion better than the best layer does. Does that mean that the vectors hold only "
    "words? What would messages have to look like to tell the two apart?",
)  # fmt: skip
