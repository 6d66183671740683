"""Answers to the exercises of chapter 03 as learners write them."""

import random
from collections import defaultdict

import numpy as np
import torch
from scipy.stats import percentileofscore, rankdata
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import LeaveOneGroupOut
from torch.nn.functional import cosine_similarity as cosine
from torch.nn.functional import normalize

from tests.mutants import right, wrong


def emotion_means(train, labels):
    return torch.stack([train[[x == e for x in labels]].mean(dim=0) for e in sorted(set(labels))])


# --- 3.1 The nearest emotion ----------------------------------------------------------------------------------


@wrong("3.1", "You did not subtract the centre from the new stories")
def nearest_new_not_centred(train, labels, new):
    emotions, means = sorted(set(labels)), emotion_means(train, labels)
    vectors = means - means.mean(dim=0)
    return [emotions[i] for i in (normalize(new, dim=1) @ normalize(vectors, dim=1).T).argmax(dim=1)]


@wrong("3.1", "Nothing is centred")
def nearest_nothing_centred(train, labels, new):
    emotions = sorted(set(labels))
    return [emotions[i] for i in cosine(new[:, None], emotion_means(train, labels)[None], dim=-1).argmax(dim=1)]


@wrong("3.1", "You took the dot product with vectors of unequal length")
def nearest_by_dot_product(train, labels, new):
    emotions, means = sorted(set(labels)), emotion_means(train, labels)
    centre = means.mean(dim=0)
    return [emotions[i] for i in ((new - centre) @ (means - centre).T).argmax(dim=1)]


@wrong("3.1", "You centred the new stories by their own mean")
def nearest_by_the_mean_of_new(train, labels, new):
    emotions, means = sorted(set(labels)), emotion_means(train, labels)
    vectors = normalize(means - means.mean(dim=0), dim=1)
    return [emotions[i] for i in (normalize(new - new.mean(dim=0), dim=1) @ vectors.T).argmax(dim=1)]


@wrong("3.1", "That is the *farthest* emotion")
def nearest_by_argmin(train, labels, new):
    emotions, means = sorted(set(labels)), emotion_means(train, labels)
    centre = means.mean(dim=0)
    cosines = normalize(new - centre, dim=1) @ normalize(means - centre, dim=1).T
    return [emotions[i] for i in cosines.argmin(dim=1)]


@wrong("3.1", "Those are numbers")
def nearest_gives_rows(train, labels, new):
    means = emotion_means(train, labels)
    centre = means.mean(dim=0)
    return (normalize(new - centre, dim=1) @ normalize(means - centre, dim=1).T).argmax(dim=1)


@right("3.1")
def nearest_by_numpy(train, labels, new):
    train, new, labels = train.double().numpy(), new.double().numpy(), np.array(labels)
    emotions = np.unique(labels)
    means = np.stack([train[labels == emotion].mean(axis=0) for emotion in emotions])
    centre = means.mean(axis=0)
    return emotions[cosine_similarity(new - centre, means - centre).argmax(axis=1)]


@right("3.1")
def nearest_in_a_loop(train, labels, new):
    emotions = list(set(labels))  # in any order, if one order is used throughout
    means = {e: sum(x for x, y in zip(train, labels, strict=True) if y == e) / labels.count(e) for e in emotions}
    centre = sum(means.values()) / len(means)
    return [max(emotions, key=lambda e: float(cosine(x - centre, means[e] - centre, dim=0))) for x in new]


# --- 3.2 Hold topics out --------------------------------------------------------------------------------------


def take(items, rows):
    return items[rows] if isinstance(items, torch.Tensor) else [items[i] for i in rows]


@wrong("3.2", "A story was tested while others *on its topic*")
def held_out_single_stories(classify, items, labels, topics):
    predicted = []
    for i in range(len(labels)):
        rest = [j for j in range(len(labels)) if j != i]
        predicted += classify(take(items, rest), [labels[j] for j in rest], take(items, [i]))
    return predicted


@wrong("3.2", "was trained on stories that it was then tested on")
def held_out_trains_on_all(classify, items, labels, topics):
    predicted = [None] * len(labels)
    for topic in set(topics):
        rows = [i for i, t in enumerate(topics) if t == topic]
        for i, name in zip(rows, classify(items, labels, take(items, rows)), strict=True):
            predicted[i] = name
    return predicted


@wrong("3.2", "they have come apart")
def held_out_with_the_first_labels(classify, items, labels, topics):
    predicted = [None] * len(labels)
    for topic in set(topics):
        test = [i for i, t in enumerate(topics) if t == topic]
        train = [i for i, t in enumerate(topics) if t != topic]
        for i, name in zip(test, classify(take(items, train), labels[: len(train)], take(items, test)), strict=True):
            predicted[i] = name
    return predicted


@wrong("3.2", "in the order of the *topics*")
def held_out_in_order_of_topics(classify, items, labels, topics):
    predicted = []
    for topic in sorted(set(topics)):
        test = [i for i, t in enumerate(topics) if t == topic]
        train = [i for i, t in enumerate(topics) if t != topic]
        predicted.extend(classify(take(items, train), [labels[i] for i in train], take(items, test)))
    return predicted


@wrong("3.2", "list of texts")
def held_out_for_tensors_only(classify, items, labels, topics):
    predicted = [None] * len(labels)
    for topic in set(topics):
        test = [i for i, t in enumerate(topics) if t == topic]
        train = [i for i, t in enumerate(topics) if t != topic]
        for i, name in zip(test, classify(items[train], [labels[i] for i in train], items[test]), strict=True):
            predicted[i] = name
    return predicted


@wrong("3.2", "rain on all the stories of all the other topics")
def held_out_turned_round(classify, items, labels, topics):
    predicted = [None] * len(labels)
    for topic in set(topics):
        train = [i for i, t in enumerate(topics) if t == topic]
        test = [i for i, t in enumerate(topics) if t != topic]
        for i, name in zip(
            test, classify(take(items, train), [labels[i] for i in train], take(items, test)), strict=True
        ):
            predicted[i] = name
    return predicted


@right("3.2")
def held_out_by_sklearn(classify, items, labels, topics):
    predicted = np.empty(len(labels), dtype=object)
    for train, test in LeaveOneGroupOut().split(labels, groups=topics):
        predicted[test] = classify(take(items, train), [labels[i] for i in train], take(items, test))
    return predicted


@right("3.2")
def held_out_by_masks(classify, items, labels, topics):
    predicted = {}
    for topic in dict.fromkeys(topics):
        inside = [t == topic for t in topics]
        kept = [item for item, out in zip(items, inside, strict=True) if not out]
        new = [item for item, out in zip(items, inside, strict=True) if out]
        if isinstance(items, torch.Tensor):
            kept, new = torch.stack(kept), torch.stack(new)
        found = iter(classify(kept, [label for label, out in zip(labels, inside, strict=True) if not out], new))
        predicted |= {i: next(found) for i, out in enumerate(inside) if out}
    return [predicted[i] for i in range(len(labels))]


@right("3.2")
def held_out_story_by_story(classify, items, labels, topics):
    """Slow, and right: each story by a classifier that saw none of its topic."""
    predicted = []
    for i, topic in enumerate(topics):
        train = [j for j, t in enumerate(topics) if t != topic]
        predicted.append(classify(take(items, train), [labels[j] for j in train], take(items, [i]))[0])
    return predicted


# --- 3.3 Shuffle, but within topics ---------------------------------------------------------------------------


@wrong("3.3", "A label went over to another topic")
def shuffle_everything(labels, topics, seed):
    return random.Random(seed).sample(labels, len(labels))


@wrong("3.3", "You shuffled the list that was passed to you")
def shuffle_in_place(labels, topics, seed):
    draw = random.Random(seed)
    for topic in sorted(set(topics)):
        rows = [i for i, t in enumerate(topics) if t == topic]
        names = [labels[i] for i in rows]
        draw.shuffle(names)
        for i, name in zip(rows, names, strict=True):
            labels[i] = name
    return labels


@wrong("3.3", "you drew with replacement")
def shuffle_by_choices(labels, topics, seed):
    draw, shuffled = random.Random(seed), list(labels)
    for topic in sorted(set(topics)):
        rows = [i for i, t in enumerate(topics) if t == topic]
        for i, j in zip(rows, draw.choices(rows, k=len(rows)), strict=True):
            shuffled[i] = labels[j]
    return shuffled


@wrong("3.3", "The same seed gave another order")
def shuffle_without_seed(labels, topics, seed):
    shuffled = list(labels)
    for topic in sorted(set(topics)):
        rows = [i for i, t in enumerate(topics) if t == topic]
        for i, j in zip(rows, random.sample(rows, len(rows)), strict=True):
            shuffled[i] = labels[j]
    return shuffled


@wrong("3.3", "draw anew for each, from one generator")
def shuffle_seeded_in_the_loop(labels, topics, seed):
    shuffled = list(labels)
    for topic in sorted(set(topics)):
        rows = [i for i, t in enumerate(topics) if t == topic]
        for i, j in zip(rows, random.Random(seed).sample(rows, len(rows)), strict=True):
            shuffled[i] = labels[j]
    return shuffled


@wrong("3.3", "Nothing was shuffled")
def shuffle_forgets_to_write(labels, topics, seed):
    draw, shuffled = random.Random(seed), list(labels)
    for topic in sorted(set(topics)):
        names = [label for label, t in zip(shuffled, topics, strict=True) if t == topic]
        draw.shuffle(names)
    return shuffled


@right("3.3")
def shuffle_by_numpy(labels, topics, seed):
    rng, topics = np.random.default_rng(seed), np.array(topics)
    shuffled = np.array(labels)
    for topic in np.unique(topics):
        shuffled[topics == topic] = rng.permutation(shuffled[topics == topic])
    return shuffled


@right("3.3")
def shuffle_by_stacks(labels, topics, seed):
    stacks = defaultdict(list)
    for label, topic in zip(labels, topics, strict=True):
        stacks[topic].append(label)
    generator = random.Random(seed)
    for stack in stacks.values():
        generator.shuffle(stack)
    return [stacks[topic].pop() for topic in topics]


@right("3.3")
def shuffle_by_torch(labels, topics, seed):
    generator, shuffled = torch.Generator().manual_seed(seed), [""] * len(labels)
    for topic in dict.fromkeys(topics):
        rows = torch.tensor([i for i, t in enumerate(topics) if t == topic])
        for i, j in zip(rows.tolist(), rows[torch.randperm(len(rows), generator=generator)].tolist(), strict=True):
            shuffled[j] = labels[i]
    return tuple(shuffled)


# --- 3.4 A p-value that is never 0 ----------------------------------------------------------------------------


@wrong("3.4", "Count the observed value in, above and below the line")
def p_plain_share(observed, null):
    return np.mean(np.array(null) >= observed)


@wrong("3.4", "divide by 1 + the number of permutations")
def p_counts_in_above_only(observed, null):
    return (1 + sum(value >= observed for value in null)) / len(null)


@wrong("3.4", "Count the observed value in above the line too")
def p_counts_in_below_only(observed, null):
    return sum(value >= observed for value in null) / (1 + len(null))


@wrong("3.4", ">=, not >")
def p_without_ties(observed, null):
    return (1 + sum(value > observed for value in null)) / (1 + len(null))


@wrong("3.4", "That is the share of the null below")
def p_share_below(observed, null):
    return sum(value < observed for value in null) / len(null)


@wrong("3.4", "at least as good")
def p_share_below_counted_in(observed, null):
    return (1 + sum(value <= observed for value in null)) / (1 + len(null))


@right("3.4")
def p_by_append(observed, null):
    everything = torch.tensor([*null, observed], dtype=torch.float64)
    return (everything >= observed).double().mean()


@right("3.4")
def p_by_scipy(observed, null):
    return 1 - percentileofscore([*null, observed], observed, kind="strict") / 100


@right("3.4")
def p_by_sorting(observed, null):
    return np.float32((1 + len(null) - np.searchsorted(np.sort(null), observed, side="left")) / (1 + len(null)))


# --- 3.5 What a direction says --------------------------------------------------------------------------------


def lens_logits(subject, vector):
    return subject.hf.lm_head(subject.hf.model.norm(vector.to(subject.device, subject.dtype)))


@wrong("3.5", "Those are ids")
def lens_gives_ids(subject, vector, k):
    return lens_logits(subject, vector).topk(k).indices


@wrong("3.5", "The final norm is missing")
def lens_without_norm(subject, vector, k):
    logits = subject.hf.lm_head(vector.to(subject.device, subject.dtype))
    return [subject.tokenizer.decode([i]) for i in logits.topk(k).indices.tolist()]


@wrong("3.5", "the sign is turned round")
def lens_of_the_unlikeliest(subject, vector, k):
    ids = lens_logits(subject, vector).argsort()[:k]  # rising order
    return [subject.tokenizer.decode([i]) for i in ids.tolist()]


@wrong("3.5", "not the likeliest first")
def lens_likeliest_last(subject, vector, k):
    ids = lens_logits(subject, vector).argsort()[-k:]
    return [subject.tokenizer.decode([i]) for i in ids.tolist()]


@wrong("3.5", "not a str")
def lens_in_one_string(subject, vector, k):
    return subject.tokenizer.decode(lens_logits(subject, vector).topk(k).indices)


@wrong("3.5", "Turn each into its text: `subject.tokenizer.decode([i])`")
def lens_of_raw_tokens(subject, vector, k):
    ids = lens_logits(subject, vector).topk(k).indices.tolist()
    return subject.tokenizer.convert_ids_to_tokens(ids)  # "Ġlonely"


@right("3.5")
def lens_by_batch_decode(subject, vector, k):
    with torch.inference_mode():
        order = lens_logits(subject, vector[None])[0].softmax(-1).sort(descending=True).indices
    return subject.tokenizer.batch_decode(order[:k, None])


@right("3.5")
def lens_by_numpy(subject, vector, k):
    norm, x = subject.hf.model.norm, vector.double()
    x = x / (x.square().mean() + norm.variance_epsilon).sqrt() * norm.weight.double().cpu()
    logits = subject.hf.lm_head.weight.double().cpu().detach().numpy() @ x.detach().numpy()
    return [subject.tokenizer.decode(int(i)).strip() for i in np.argsort(-logits)[:k]]


# --- 3.6 Rank the implied emotion -----------------------------------------------------------------------------


def rank_scores(messages, vectors):
    return (messages - messages.mean(dim=0)) @ normalize(vectors, dim=1).T


@wrong("3.6", "Those count from 0")
def ranks_from_0(messages, vectors, right):
    scores = rank_scores(messages, vectors)
    return (scores > scores.gather(1, right[:, None])).sum(dim=1)


@wrong("3.6", "The ranks run the wrong way")
def ranks_of_the_lowest(messages, vectors, right):
    scores = rank_scores(messages, vectors)
    return 1 + scores.argsort(dim=1).argsort(dim=1)[range(len(right)), right]


@wrong("3.6", "The messages are not centred")
def ranks_not_centred(messages, vectors, right):
    scores = normalize(messages, dim=1) @ normalize(vectors, dim=1).T
    return 1 + (scores > scores[range(len(right)), right][:, None]).sum(dim=1)


@wrong("3.6", "You took dot products with vectors of unequal length")
def ranks_by_dot_product(messages, vectors, right):
    scores = (messages - messages.mean(dim=0)) @ vectors.T
    return 1 + (scores > scores[range(len(right)), right][:, None]).sum(dim=1)


@wrong("3.6", "You centred over d_model")
def ranks_centred_over_d_model(messages, vectors, right):
    scores = (messages - messages.mean(dim=1, keepdim=True)) @ normalize(vectors, dim=1).T
    return 1 + (scores > scores[range(len(right)), right][:, None]).sum(dim=1)


@wrong("3.6", "`argsort` names the emotion at each rank")
def ranks_by_one_argsort(messages, vectors, right):
    order = rank_scores(messages, vectors).argsort(dim=1, descending=True)
    return 1 + order[range(len(right)), right]


@right("3.6")
def ranks_by_sorting(messages, vectors, right):
    centred = messages - messages.mean(0, keepdim=True)
    scores = cosine(centred[:, None], vectors[None], dim=-1)
    order = scores.argsort(dim=1, descending=True)
    return (order == right[:, None]).nonzero()[:, 1] + 1


@right("3.6")
def ranks_by_scipy(messages, vectors, right):
    messages, vectors = messages.double().numpy(), vectors.double().numpy()
    scores = cosine_similarity(messages - messages.mean(axis=0), vectors)
    return torch.tensor(rankdata(-scores, axis=1)[np.arange(len(right)), right.numpy()])


@right("3.6")
def ranks_in_a_loop(messages, vectors, right):
    ranks, mean = [], messages.mean(dim=0)
    for message, own in zip(messages, right.tolist(), strict=True):
        cosines = [float((message - mean) @ v / v.norm()) for v in vectors]
        ranks.append(sorted(cosines, reverse=True).index(cosines[own]) + 1)
    return torch.tensor(ranks)
