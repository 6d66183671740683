"""Answers to the exercises of chapter 05 as learners write them."""

from collections import defaultdict

import numpy as np
import torch
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn.metrics.pairwise import cosine_similarity

from tests.mutants import right, wrong

# --- 5.1 Above the band ---------------------------------------------------------------------------------------


@wrong("5.1", "np.percentile")
def band_by_percentile_of_a_share(curve, null):
    return [i for i, value in enumerate(curve) if value > np.percentile(null, 0.95)]  # it counts to 100


@wrong("5.1", "You took the largest value of the null")
def band_by_max(curve, null):
    return [i for i, value in enumerate(curve) if value > max(null)]


@wrong("5.1", "You took the mean plus two standard deviations")
def band_by_two_sigma(curve, null):
    return [i for i, value in enumerate(curve) if value > np.mean(null) + 2 * np.std(null)]


@wrong("5.1", "You count layers from 1")
def band_from_1(curve, null):
    return [i for i, value in enumerate(curve, start=1) if value > np.quantile(null, 0.95)]


@wrong("5.1", "`np.where` gives a tuple")
def band_by_where(curve, null):
    return np.where(np.array(curve) > np.quantile(null, 0.95))


@wrong("5.1", "a yes or no for each layer")
def band_as_a_mask(curve, null):
    return np.array(curve) > np.quantile(null, 0.95)


@right("5.1")
def band_by_numpy(curve, null):
    return np.flatnonzero(np.asarray(curve) > np.percentile(null, 95))


@right("5.1")
def band_by_torch(curve, null):
    limit = torch.quantile(torch.as_tensor(null), 0.95)
    return (torch.tensor(curve, dtype=torch.float64) > limit).nonzero()[:, 0]


@right("5.1")
def band_as_a_set(curve, null):
    return {i for i in range(len(curve)) if curve[i] > np.quantile(null, 0.95)}


# --- 5.2 Compare two geometries -------------------------------------------------------------------------------


def pairs(vectors):
    return cosine_similarity(vectors)[np.triu_indices(len(vectors), k=1)]


@wrong("5.2", "every emotion is like itself in both")
def rsa_of_whole_matrices(a, b):
    return spearmanr(cosine_similarity(a).ravel(), cosine_similarity(b).ravel()).statistic


@wrong("5.2", "`k=1` leaves it out")
def rsa_with_the_diagonal(a, b):
    upper = np.triu_indices(len(a))
    return spearmanr(cosine_similarity(a)[upper], cosine_similarity(b)[upper]).statistic


@wrong("5.2", "That is Pearson's r")
def rsa_by_pearson(a, b):
    return np.corrcoef(pairs(a), pairs(b))[0, 1]


@wrong("5.2", "You compared dot products")
def rsa_of_dot_products(a, b):
    upper = np.triu_indices(len(a), k=1)
    return spearmanr((a @ a.T)[upper], (b @ b.T)[upper]).statistic


@wrong("5.2", "That is a p-value, or the whole result")
def rsa_gives_p(a, b):
    return spearmanr(pairs(a), pairs(b))[1]


@wrong("5.2", "Return the statistic")
def rsa_gives_the_result(a, b):
    return spearmanr(pairs(a), pairs(b))


@right("5.2")
def rsa_of_distances(a, b):
    return spearmanr(pdist(a, "cosine"), pdist(b, "cosine")).correlation


@right("5.2")
def rsa_by_ranks(a, b):
    x, y = (torch.nn.functional.normalize(torch.tensor(v), dim=1) for v in (a, b))
    rows, columns = torch.tril_indices(len(a), len(a), offset=-1)
    x, y = (rankdata((v @ v.T)[rows, columns].numpy()) for v in (x, y))
    return torch.tensor(pearsonr(x, y).statistic)


@right("5.2")
def rsa_in_loops(a, b):
    both = []
    for vectors in (a, b):
        unit = [v / np.sqrt(v @ v) for v in vectors]
        both.append([unit[i] @ unit[j] for i in range(len(unit)) for j in range(i)])
    return float(spearmanr(*both)[0])


# --- 5.3 CKA --------------------------------------------------------------------------------------------------


@wrong("5.3", "The vectors are not centred")
def cka_not_centred(a, b):
    k, m = a @ a.T, b @ b.T
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


@wrong("5.3", "You centred over dimensions")
def cka_centred_over_dimensions(a, b):
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    k, m = a @ a.T, b @ b.T
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


@wrong("5.3", "The square root below the line is missing")
def cka_without_root(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    k, m = a @ a.T, b @ b.T
    return (k * m).sum() / ((k * k).sum() * (m * m).sum())


@wrong("5.3", "Only what is above the line")
def cka_above_the_line(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return ((a @ a.T) * (b @ b.T)).sum()


@wrong("5.3", "That is the square root of CKA")
def cka_by_unsquared_norms(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return np.linalg.norm(b.T @ a) / np.sqrt(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))


@wrong("5.3", "changed one of its inputs in place")
def cka_in_place(a, b):
    a -= a.mean(axis=0)
    b -= b.mean(axis=0)
    k, m = a @ a.T, b @ b.T
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


@right("5.3")
def cka_by_cross_covariance(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))


@right("5.3")
def cka_by_centring_the_grams(a, b):
    centring = np.eye(len(a)) - 1 / len(a)
    k, m = centring @ a @ a.T @ centring, centring @ b @ b.T @ centring
    return float(np.trace(k @ m) / (np.trace(k @ k) * np.trace(m @ m)) ** 0.5)


@right("5.3")
def cka_as_a_cosine(a, b):
    a, b = torch.tensor(a, dtype=torch.float32), torch.tensor(b, dtype=torch.float32)
    k, m = (((x - x.mean(0)) @ (x - x.mean(0)).T).flatten() for x in (a, b))
    return torch.nn.functional.cosine_similarity(k, m, dim=0)


# --- 5.4 How well does it agree with itself? ------------------------------------------------------------------


def rsa(a, b):
    return spearmanr(pairs(a), pairs(b)).statistic


def centred(stories, labels, rows):
    emotions = sorted(set(labels))
    means = torch.stack([stories[[i for i in rows if labels[i] == e]].mean(dim=0) for e in emotions])
    return (means - means.mean(dim=0)).double().numpy()


@wrong("5.4", "You compared one half with *all* the stories")
def half_against_all(stories, labels, topics, first):
    rows = [i for i, topic in enumerate(topics) if topic in first]
    return rsa(centred(stories, labels, rows), centred(stories, labels, range(len(labels))))


@wrong("5.4", "You compared a half with itself")
def half_against_itself(stories, labels, topics, first):
    rows = [i for i, topic in enumerate(topics) if topic in first]
    others = [i for i, topic in enumerate(topics) if topic in first]  # copied, and `not` forgotten
    return rsa(centred(stories, labels, rows), centred(stories, labels, others))


@wrong("5.4", "The halves are not centred")
def half_not_centred(stories, labels, topics, first):
    halves = []
    for inside in (True, False):
        means = []
        for emotion in sorted(set(labels)):
            rows = [i for i, t in enumerate(topics) if (t in first) == inside and labels[i] == emotion]
            means.append(stories[rows].mean(dim=0).numpy())
        halves.append(np.stack(means))
    return rsa(*halves)


@wrong("5.4", "not by topic")
def half_by_place(stories, labels, topics, first):
    everything = range(len(labels))
    return rsa(centred(stories, labels, everything[::2]), centred(stories, labels, everything[1::2]))


@wrong("5.4", "another")
def half_of_the_chapter(stories, labels, topics, first):
    rows = [i for i, topic in enumerate(topics) if topic in {"bus", "walk"}]  # not `first`
    others = [i for i in range(len(topics)) if i not in rows]
    return rsa(centred(stories, labels, rows), centred(stories, labels, others))


@wrong("5.4", "each half by its own mean")
def half_centred_together(stories, labels, topics, first):
    stories = stories - stories.mean(dim=0)
    halves = []
    for inside in (True, False):
        rows = [i for i, t in enumerate(topics) if (t in first) is inside]
        means = [stories[[i for i in rows if labels[i] == e]].mean(dim=0) for e in sorted(set(labels))]
        halves.append(torch.stack(means).double().numpy())
    return rsa(*halves)


@right("5.4")
def half_by_masks(stories, labels, topics, first):
    inside, labels = np.isin(topics, list(first)), np.array(labels)
    values = stories.double().numpy()
    halves = []
    for mask in (~inside, inside):
        means = np.stack([values[mask & (labels == emotion)].mean(axis=0) for emotion in np.unique(labels)])
        halves.append(means - means.mean(axis=0))
    return rsa(*halves)


@right("5.4")
def half_by_dictionary(stories, labels, topics, first):
    sides = defaultdict(lambda: defaultdict(list))
    for story, label, topic in zip(stories, labels, topics, strict=True):
        sides[topic in first][label].append(story)
    halves = []
    for groups in sides.values():
        means = torch.stack([sum(groups[emotion]) / len(groups[emotion]) for emotion in sorted(groups)])
        halves.append(means - means.mean(dim=0))
    return torch.tensor(rsa(*halves))


# --- 5.5 Answer the title -------------------------------------------------------------------------------------


@wrong("5.5", "does not say the embeddings' r")
def conclude_from_the_output(found):
    return (
        "Valence can be read from this model at every layer. At the token embeddings a ridge axis reaches r = 0.51, "
        "and the blocks add to it until r = 0.74 at layer 19. With shuffled ratings the best layer reaches that with "
        "p = 0.0005, so it is unlikely to be luck. It is a representation of a concept and says nothing of feelings."
    )


@wrong("5.5", "does not say the p-value")
def conclude_without_p(found):
    return (
        "Valence can be read from this model at every layer. At the token embeddings the ridge axis reaches r = "
        f"{found['embed']:.2f}, and the blocks add to it until r = {found['best']:.2f} at layer {found['layer']}. "
        "It is very unlikely that this is due to chance. It represents a concept, and says nothing of feelings."
    )


@wrong("5.5", "words. Write a paragraph, at least 40")
def conclude_in_a_line(found):
    return f"Valence: embeddings {found['embed']:.2f}, best {found['best']:.2f}, p = {found['p']:.4f}."


@wrong("5.5", "goes beyond what you have seen")
def conclude_with_feelings(found):
    return (
        "The model feels happiness in its middle layers. At the token embeddings the ridge axis reaches r = "
        f"{found['embed']:.2f}, and the blocks add to it until r = {found['best']:.2f} at layer {found['layer']}. "
        f"With shuffled ratings the best layer reaches that with p = {found['p']:.4f}, so that it is surely no luck."
    )


@wrong("5.5", "Did you forget `return`?")
def conclude_without_return(found):
    text = f"Valence is at the embeddings with {found['embed']:.2f}, at best {found['best']:.2f}."
    text += f" Permuted ratings do as well with p = {found['p']:.4f}."


@wrong("5.5", "not a tuple")
def conclude_with_commas(found):
    return (
        "Valence can be read from this model at every layer, with r = ", round(found["embed"], 2), " at the input",
        " and at best ", round(found["best"], 2), ", p = ", round(found["p"], 4),
    )  # fmt: skip


@right("5.5")
def conclude_by_format(found):
    text = """
        Happiness as people rate it, pleasant against unpleasant, is there from the beginning: {embed:.3f} is the
        correlation of the ridge axis at the embeddings, before any block. It rises to {best:.3f} at layer {layer:d};
        p={p:.2g} for the best of all layers. That is a statement on concepts, and no sign that anything is felt.
    """
    return text.format(**found)


@right("5.5")
def conclude_in_pieces(found):
    embed, best, p = (str(found[key]) for key in ("embed", "best", "p"))
    parts = [
        "The embeddings alone let a ridge axis order unseen emotions by valence (r=" + embed + ").",
        "Depth adds to this: the best layer has " + best + ".",
        "Under permuted ratings, the best layer taken each time, as much comes up with p=" + p + ".",
        "So the answer is: everywhere, more so two thirds of the way up, as a concept that it represents.",
    ]
    return "\n".join(parts)


@right("5.5")
def conclude_with_a_disclaimer(found):
    return (
        "None of this shows that the model feels anything. What it has is a representation of valence: at the token "
        f"embeddings a ridge axis reaches r = {found['embed']:.2f} for unseen emotions, and in the best layer it "
        f"reaches {found['best']:.2f}, which permuted ratings match with p = {found['p']:.4f} only."
    )
