# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 05 · Where do models find happiness?
#
# {{badges}}
#
# **You will**
#
# - follow valence and arousal through all the layers, beside what chance reaches and beside the embeddings;
# - compare layers with layers, and vectors from one corpus with vectors from another;
# - see what few stories and entangled topics do;
# - answer the title in one paragraph, with numbers.
#
# **You need** chapter 04. 60 minutes. The cells take {{measured}} of memory on two cores, without a GPU; the model itself
# is hardly needed.
#
# {{box}}

# %%
# setup

# %%
import numpy as np

from emovec_lite import load_corpus, load_or_compute, show
from emovec_lite.course import check, progress, quiz
from emovec_lite.geometry import align, best_pc_r, compare, ridge_r
from emovec_lite.plots import curves, dots, layer_curve, layer_map

corpus, vectors = load_corpus(), load_or_compute(subject)
names, layer = list(vectors.emotions), subject.main_layer  # two thirds up: in the default model layer 19

# %% [markdown]
# ## Valence by depth
#
# The question of the title is a question about layers. For each, two numbers: the best of the first five components, and
# the ridge axis that predicts emotions it has not seen. Beside them stands what the *best of all layers* reaches when
# ratings are shuffled, 2,000 times: shaded for components, a dotted line for ridge.
#
# **Predict** the shape of the curve: where does it begin, where is its top, does it fall at the end?

# %%
valence, valence_embed = align(vectors, "valence"), align(vectors, "valence", ["embed"])
show(layer_curve(valence, valence_embed))
where, best = valence.best_ridge
print(f"embeddings {valence_embed.ridge_r[0]:.2f}, layer 0 {valence.ridge_r[0]:.2f}, best {best:.2f} at layer {where}, "
      f"last layer {valence.ridge_r[-1]:.2f}")  # fmt: skip

# %% [markdown]
# {{exercise 5.1}}
#
# Write `above_the_band(curve, null)`: the layers whose value lies above the 95th percentile of the null. The null holds, for
# each shuffle, the best of all layers. Both are lists or arrays of numbers; the shuffles stand in no order.
#
# <details><summary>Hint 1</summary>
# One limit for all layers: `np.quantile(null, 0.95)`.
# </details>
# <details><summary>Hint 2</summary>
# `enumerate(curve)` counts the layers from 0.
# </details>

# %%
def above_the_band(curve, null):
    """The layers whose value lies above the 95th percentile of the null: a list of numbers."""
    ### BEGIN SOLUTION
    limit = np.quantile(null, 0.95)
    return [layer for layer, value in enumerate(curve) if value > limit]
    ### END SOLUTION


above_the_band = check("5.1", above_the_band)

# %%
pc = abs(valence.pc_r).max(axis=1)
print("ridge axis above the band at layers", above_the_band(valence.ridge_r, valence.ridge_null))
print("best component above the band at  ", above_the_band(pc, valence.pc_null))
print("which component is the best:      ", (abs(valence.pc_r).argmax(axis=1) + 1).tolist())
print(f"p = {valence.ridge_p:.4f} (ridge), {valence.pc_p:.4f} (component), for the best of all layers")

# %% [markdown]
# The ridge axis is above its limit at every layer, and the **embeddings** hold a good part of it (half as much when whole
# families of words are left out, as you saw in chapter 04). What the blocks add is the rise from there. (The smallest p
# that 2,000 shuffles allow is what you see for ridge.)
#
# The best *component* tells a different story, of valence that arises half-way up. Is that a finding about the model, or
# about the number five? **Predict** what happens if we look at ten components, or at PC1 only.

# %%
from emovec_lite import ratings
from emovec_lite.geometry import correlations, pca

human = ratings(names, "valence")
layers = list(range(vectors.n_layers))
ten = [abs(correlations(pca(vectors.at(i).double().numpy(), 10)[0].T, human[None])).max() for i in layers]
answers = {
    "PC1 alone": abs(valence.pc_r[:, 0]), "best of PCs 1 to 5": pc, "best of PCs 1 to 10": ten,
    "ridge, emotions held out": valence.ridge_r,
}  # fmt: skip
show(curves(
    layers, answers, xlabel="layer", ylabel="correlation with human valence", title="Four answers to one question",
))  # fmt: skip

# %% [markdown]
# With ten components valence is on one of them in the early layers, too, and the default model's dip at layer 20 is gone:
# there it lies on the sixth. "Valence arises half-way up" was a story about the number five. Had you followed PC1 only, what would you
# have written?
#
# Is the rise of the ridge axis from the embeddings to our layer (chosen beforehand) more than an accident of these 48
# emotions? Draw the emotions anew, many times.

# %%
from emovec_lite.geometry import ridge_predictions

emotions = np.arange(len(names))
low, high = (ridge_predictions(vectors.at(place).double().numpy(), human) for place in ("embed", layer))
rng, rises = np.random.default_rng(0), []
for _ in range(2000):
    drawn = rng.choice(emotions, len(emotions))
    rises.append(correlations(high[drawn], human[drawn]) - correlations(low[drawn], human[drawn]))
print(f"rise of r: {correlations(high, human) - correlations(low, human):.2f}, 95 % interval "
      f"{np.quantile(rises, 0.025):.2f} to {np.quantile(rises, 0.975):.2f}")  # fmt: skip

# %% [markdown]
# ## And arousal?
#
# **Predict:** arousal with valence taken out. Will it rise with depth as valence does?

# %%
arousal, arousal_embed = align(vectors, "arousal"), align(vectors, "arousal", ["embed"])
show(layer_curve(arousal, arousal_embed))
place, top = arousal.best_ridge
print(f"embeddings {arousal_embed.ridge_r[0]:.2f}, best {top:.2f} at layer {place}")

# %% [markdown]
# Arousal is nearly all there at the embeddings, and depth adds next to nothing. A sweep without the embeddings would have
# shown a fine high curve, "arousal at every layer", and been misunderstood.
#
# ## Do layers agree with each other?
#
# Ratings are one way to look at a geometry. Another needs no people: compare it with that of another layer. Vectors of
# two layers cannot be compared number by number, for the axes are not the same. But *who is near whom* can be.

# %% [markdown]
# {{exercise 5.2}}
#
# Write `rsa(a, b)`: Spearman's rank correlation between the cosines of all pairs of emotions in `a` (emotion, d_a) and the
# same pairs in `b` (emotion, d_b). It is called representational similarity analysis. Both are NumPy arrays, with lengths
# and means as they come.
#
# <details><summary>Hint 1</summary>
# Each pair once, and no emotion with itself: `np.triu_indices(n, k=1)`.
# </details>
# <details><summary>Hint 2</summary>
# `scipy.stats.spearmanr(x, y).statistic`, where x and y are the cosines at those places.
# </details>

# %%
from scipy.stats import spearmanr


def rsa(a, b):
    """Spearman's rho between the cosines of all pairs of emotions in a and in b."""
    ### BEGIN SOLUTION
    def pairs(vectors):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return (unit @ unit.T)[np.triu_indices(len(vectors), k=1)]

    return spearmanr(pairs(a), pairs(b)).statistic
    ### END SOLUTION


rsa = check("5.2", rsa)

# %%
similarity = compare(vectors, vectors, rsa)
show(layer_map(
    similarity, layers, layers, label="RSA (Spearman's rho)", title="How alike are the geometries of two layers?",
))  # fmt: skip

# %% [markdown]
# Mostly a slow drift, with larger steps between the first layers and at the very end. Do not read too much into the height:
# all layers have read the *same stories*, so their noise is shared, and that lifts every number here.
#
# Another measure of the same thing is **CKA**. It is 1 for vectors that are turned and scaled, and many papers report it.

# %% [markdown]
# {{exercise 5.3}}
#
# Write `cka(a, b)`, the linear one: centre both over emotions; K = a aᵀ, L = b bᵀ; then sum(K ∘ L) / √(sum(K ∘ K) · sum(L ∘ L)).
# Both are NumPy arrays (emotion, d).
#
# <details><summary>Hint 1</summary>
# `∘` is element by element. Centre with `x - x.mean(axis=0)`.
# </details>
# <details><summary>Hint 2</summary>
# `(K * L).sum() / np.sqrt((K * K).sum() * (L * L).sum())`.
# </details>

# %%
def cka(a, b):
    """Linear centred kernel alignment of two sets of vectors of the same emotions."""
    ### BEGIN SOLUTION
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    k, m = a @ a.T, b @ b.T
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    ### END SOLUTION


cka = check("5.3", cka)

# %% [markdown]
# **Predict** the CKA of our layer's vectors with **random numbers** of the same shape. And the RSA?

# %%
from emovec_lite.geometry import linear_cka

here = vectors.at(layer).double().numpy()
noise = np.random.default_rng(0).normal(size=here.shape)
print(f"with noise:    CKA {cka(here, noise):.2f}, RSA {rsa(here, noise):.2f}, "
      f"debiased CKA {linear_cka(here, noise):.2f}")  # fmt: skip
later = subject.layer_at(5 / 6)
above = vectors.at(later).double().numpy()
print(f"with layer {later}: CKA {cka(here, above):.2f}, RSA {rsa(here, above):.2f}, "
      f"debiased CKA {linear_cka(here, above):.2f}")  # fmt: skip

# %% [markdown]
# Plain CKA gives a considerable "similarity" with noise. With many more dimensions than emotions, each emotion is like
# itself and like nothing else, on both sides, and plain CKA counts that as agreement. RSA leaves the diagonal out, and so
# does the debiased CKA. Whoever reports CKA between models must show this control.
#
# ## Whose stories?
#
# Our stories were written for this course. In the paper the model writes its own. So we let the default model, SmolLM2, write
# 288 stories, six for each emotion, with the instruction never to use the word; extracted vectors from them; and shipped
# both. (Another model reads these same stories, which are then not its own; the vectors are made from its reading.)

# %%
own_corpus = load_corpus("own")
own = load_or_compute(subject, own_corpus)
for story in (own_corpus.select("lonely")[1], own_corpus.select("proud")[3]):
    print(f"[{story.emotion}] {story.text[:330]} ...\n")

# %% [markdown]
# **Predict** the RSA between the two sets of vectors, at our layer. (Neighbouring layers come near 1.)

# %%
theirs = own.at(layer).double().numpy()
print(f"course stories and own stories: RSA {rsa(here, theirs):.2f}")

# %% [markdown]
# Practically none. (And did you notice the second story? We come to that.) "The model's own stories give another
# geometry"? Careful. There are two reasons for a low agreement: the two are *different*, or one of them is *noisy*. How
# well does each agree with itself?

# %% [markdown]
# {{exercise 5.4}}
#
# Write `split_half(stories, labels, topics, first)`: centred vectors from the stories whose topic is in `first`, the same from
# all other stories, and the RSA of the two. `stories` is a torch tensor (text, d_model); `labels` and `topics` are lists, one
# entry a story, in any order and with unequal numbers; `first` may be a set, a list or a tuple.
#
# <details><summary>Hint 1</summary>
# Twice the same: rows, means for each emotion (in alphabetical order), minus their mean. Then your `rsa`.
# </details>
# <details><summary>Hint 2</summary>
# `rows = [i for i, topic in enumerate(topics) if topic in first]`. `rsa` works with numpy: `.double().numpy()`.
# </details>

# %%
def split_half(stories, labels, topics, first):
    """RSA between vectors from the topics in `first` and vectors from all other topics."""
    ### BEGIN SOLUTION
    halves = []
    for wanted in (True, False):
        means = []
        for emotion in sorted(set(labels)):
            rows = [i for i, label in enumerate(labels) if label == emotion and (topics[i] in first) == wanted]
            means.append(stories[rows].mean(dim=0).double().numpy())
        halves.append(np.stack(means) - np.mean(means, axis=0))
    return rsa(*halves)
    ### END SOLUTION


split_half = check("5.4", split_half)

# %% [markdown]
# The course has six stories of each emotion in a half, the model's own corpus three. So the fair comparison is with six
# topics of the course, three in a half.
#
# **Predict:** how well do vectors from half of the topics agree with vectors from the other half?

# %%
from itertools import combinations


def halves(vectors, corpus, topics, n=10):
    """The split-half RSA of ten ways to halve these topics."""
    rows = [i for i, story in enumerate(corpus) if story.topic in topics]
    stories, where = vectors.stories.at(layer)[rows], [corpus.stories[i].topic for i in rows]
    ways = list(combinations(topics, len(topics) // 2))
    chosen = [ways[i] for i in np.random.default_rng(0).choice(len(ways), n, replace=False)]
    return [split_half(stories, [corpus.labels[i] for i in rows], where, set(way)) for way in chosen]


agreement = {
    "course, 6 and 6 topics": halves(vectors, corpus, corpus.topics),
    "course, 3 and 3 topics": halves(vectors, corpus, corpus.topics[:6]),
    "own, 3 and 3 topics": halves(own, own_corpus, own_corpus.topics),
}
for name, values in agreement.items():
    print(f"{name:>22}: {np.mean(values):.2f} (from {min(values):.2f} to {max(values):.2f})")

# %% [markdown]
# The course's stories agree with themselves, with as few stories, too. The model's own show no agreement in *who is near
# whom*. So another geometry cannot be claimed. It does not follow that there is nothing in them: RSA weighs all pairs
# alike, and a single shared direction can drown in that.
#
# **Predict:** how well does a ridge axis for valence do on vectors whose pairs do not agree?

# %%
print(f"own stories, ridge valence: r = {ridge_r(theirs, own.emotions, 'valence'):.2f}")

# %% [markdown]
# Nearly as good as ours. Has the model shown us, in its own stories, what it holds to be pleasant? Or has it simply *said*
# so? It was told never to use the word. Let us see how well it obeyed, and what is left when the stories that leak are
# left out. The control: of each emotion as **many** stories left out, but drawn at random.

# %%
from emovec_lite.stories import faults, leaks
from emovec_lite.extraction import centred_means
from emovec_lite.vectors import project_out

for what, share in faults(own_corpus).items():
    print(f"{share:.0%} {what}")
leaking = [i for i, story in enumerate(own_corpus) if leaks(story.emotion).search(story.text)]
print(f"{len(leaking)} of {len(own_corpus)} stories leak")


def valence_of(stories, rows):
    """Ridge r for valence, of vectors from these rows of pooled stories."""
    means, _ = centred_means(stories[rows], [own_corpus.labels[i] for i in rows])
    return ridge_r(project_out(means, own.neutral_at(layer)).double().numpy(), names, "valence")


# %%
import random

pooled, everyone = own.stories.at(layer), range(len(own_corpus))
without = valence_of(pooled, [i for i in everyone if i not in leaking])
draw, control = random.Random(0), []
for _ in range(20):
    dropped = set()
    for emotion in names:
        rows = [i for i in everyone if own_corpus.labels[i] == emotion]
        dropped.update(draw.sample(rows, sum(i in leaking for i in rows)))
    control.append(valence_of(pooled, [i for i in everyone if i not in dropped]))
print(f"without the leaking stories: r = {without:.2f}")
print(f"without as many others:      r = {min(control):.2f} to {max(control):.2f}")

# %% [markdown]
# Most of it is gone, and more than in nearly every random draw. The conclusion seems plain: what we saw came from **the
# words that leaked**. Many papers would stop here.
#
# But a story that leaks differs from others in more than that word. There is a sharper test: keep all the stories, and
# take only **the words** out of those that leak. Then read them again, which takes half a minute.
#
# **Predict** what will happen to r, if it was the words.

# %%
from emovec_lite.activations import mean_activations

censored = [leaks(own_corpus.labels[i]).sub("", own_corpus.texts[i]) for i in leaking]
again = pooled.clone()
again[leaking] = mean_activations(subject, censored).at(layer)
results = {"leaking stories left out": [without], "only their words left out": [valence_of(again, list(everyone))]}
show(dots(
    ["own stories"], results, null=[control], null_label="as many others left out",
    xlabel="correlation with human valence, emotions held out", title="Where does the valence in them come from?",
))  # fmt: skip

# %% [markdown]
# It was **not** the words. Without them the correlation is nearly what it was. More likely, the stories that say the word
# are those in which the model kept to the emotion at all; leave them out, and the good ones go. The first control looked
# right, and removed two things at once. *A control has to remove one thing.*
#
# ## Few stories, entangled topics
#
# The authors of arXiv 2606.26987 drew three topics for each emotion *independently*. So *afraid* may have had a storm and an exam, *happy*
# a wedding. Are its vectors about emotions, or about weddings? We can make such a corpus out of ours: for each emotion
# its own two topics (**confounded**). The control has as many stories, on two topics that all emotions share
# (**balanced**).
#
# **Predict:** what will each do to ridge valence, which is high with all twelve topics? Which of the two matters more,
# *few* or *entangled*?

# %%
from emovec_lite.stories import balanced, confounded
from emovec_lite.extraction import subset_vectors


def made_of(choose, seed):
    part = choose(corpus, seed=seed)
    few = subset_vectors(vectors, corpus, part).at(layer).double().numpy()
    return ridge_r(few, part.emotions, "valence"), best_pc_r(few, part.emotions, "valence"), rsa(few, here)


kinds = {"confounded": confounded, "balanced": balanced}
found = {name: np.array([made_of(choose, seed) for seed in range(20)]) for name, choose in kinds.items()}
for i, what in enumerate(("ridge valence", "best PC, valence", "RSA with all (itself in)")):
    print(f"{what:>21}: " + "; ".join(
        f"{name} {values[:, i].mean():.2f} ({values[:, i].min():.2f} to {values[:, i].max():.2f})"
        for name, values in found.items()
    ))  # fmt: skip

# %% [markdown]
# **Few** does most of the damage: with two stories for each emotion, valence drops far, entangled or not, and hangs on which
# topics were drawn. *Entangled* takes a little more. We expected a larger difference, and the twenty draws overlap widely.
#
# ## What the paper reports, and what the default model bears out
#
# | | arXiv 2606.26987 | the default model and our recipe |
# |---|---|---|
# | PC1 is valence | yes: about .76 in Apertus-8B, .83 in Gemma-4-E4B, at the best layer | no: PC1 is low in every layer |
# | valence is absent in early layers | yes, in Apertus-8B, by PC1 | by five components yes; by ten, and by ridge, no |
# | valence collapses late | yes, in Gemma-4-E4B from layer 17 on, by PC1 | by ridge no: a slight fall at the end |
# | arousal is weaker than valence | yes: at most .45 and .43 | not by ridge, but it comes with the words |
#
# Five caveats stand beside this table. Their measure is PC1, ours mostly a ridge axis. The models differ by a factor of
# sixty in size. The ratings are not the same: there NRC-VAD, here the Glasgow Norms, in which the two scales are
# correlated. The stories are others, and there are more of them here for each emotion. And their numbers are those of the
# best layer, without a correction for having looked at all; the curves behind them were read off figures. Chapter 08
# runs larger tiers.
#
# ## Your answer

# %% [markdown]
# {{exercise 5.5}}
#
# Write `conclusion(found)`: one paragraph, 40 to 250 words, that answers the title for this model. It must state the three
# numbers that support it, taken from `found`: `found["embed"]`, the ridge r for valence at the embeddings; `found["best"]`,
# the best layer's; and `found["p"]`, its p-value. The check calls it with other numbers, too: they must come from `found`. (There
# is also `found["layer"]`; if you name a layer as the best, name that.) The check reads the length, the numbers and whether each
# stands at its own name, and it looks for a few claims that go too far; whether the paragraph is true and well argued a
# machine cannot judge: read it to a neighbour.
#
# <details><summary>Hint 1</summary>
# An f-string with `{found["best"]:.2f}` and so on; four decimals for p.
# </details>
# <details><summary>Hint 2</summary>
# A good answer says where, how much more than the words alone, how likely by chance, and what it does *not* say.
# </details>

# %%
def conclusion(found):
    """One paragraph that answers the title, with the numbers that support it."""
    ### BEGIN SOLUTION
    return (
        "This model does not find happiness anywhere, if that means a feeling. What it has is a representation of how "
        f"pleasant an emotion is. Part of it comes with the words: at the token embeddings human valence can be "
        f"predicted for an emotion that the fit has not seen with r = {found['embed']:.2f}, though the fit has seen its "
        f"near-synonyms. The blocks add to that, up to r = {found['best']:.2f} at layer {found['layer']}, and little is "
        "lost after. With ratings shuffled and the best layer taken each time, as it was here, no shuffle did as well: "
        f"p = {found['p']:.4f}, the smallest that so many shuffles allow. It lies along no single principal component."
    )
    ### END SOLUTION


conclusion = check("5.5", conclusion)

# %%
found = {"embed": valence_embed.best_ridge[1], "best": best, "layer": where, "p": valence.ridge_p}
print(conclusion(found))

# %% [markdown]
# ## Take away
#
# - Begin every sweep at the **embeddings**: what the words bring is not the model's finding.
# - *Which* component carries a scale changes with depth, and so does the answer with how many you look at.
# - Low agreement is a **difference** only between things that agree with themselves.
# - Plain CKA finds noise similar. Show the control.
# - A control has to remove **one thing**: leaving out the stories that leak left out more than the leak.
# - Few stories did more harm here than entangled topics.
#
# ## Three questions

# %%
quiz("05")

# %% [markdown]
# ## Read on
#
# arXiv 2606.26987, the figures of PC1 and valence by layer: with this chapter in mind, which of your controls would you ask
# for? Kornblith et al. 2019, *Similarity of Neural Network Representations Revisited*, the definition of CKA.

# %%
progress()

# %% [markdown]
# Next: [06 Steering](06_steering.ipynb).
