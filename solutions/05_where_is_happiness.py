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
# - follow valence through all the layers, beside what chance reaches and beside the embeddings;
# - give one model four kinds of stories, and see which component carries valence in each;
# - find out when two geometries *differ*, and when one of them is only noisy;
# - answer the title in one paragraph, with numbers.
#
# **You need** chapter 04. 75 minutes, and twenty more for two parts marked *extra*. The cells take {{measured}} of
# memory on two cores, without a GPU; the model itself is hardly needed.
#
# {{box}}

# %%
# setup

# %%
import numpy as np

from emovec_lite import load_corpus, load_or_compute, ratings, show
from emovec_lite.course import check, progress, quiz
from emovec_lite.alignment import align
from emovec_lite.plots import curves, dots, layer_curve

vectors = load_or_compute(subject)  # of the shown stories
names, layer = list(vectors.emotions), subject.main_layer  # two thirds up: in the default model layer 19
human = ratings(names, "valence")

# %% [markdown]
# ## Valence by depth
#
# For each layer two numbers: the best correlation with people's valence among the first five components, and that of
# the ridge axis, on emotions it has not seen. Beside them stands what the *best of all layers* reaches when ratings
# are shuffled, 2,000 times: shaded for components, a dotted line for ridge.
#
# **Predict** the shape of the curve: where does it begin, where is its top, does it fall at the end?

# %%
valence, valence_embed = align(vectors, "valence"), align(vectors, "valence", ["embed"])
show(layer_curve(valence, valence_embed))
where, best = valence.best_ridge
place, which, r = valence.best_pc
print(f"ridge:     embeddings {valence_embed.ridge_r[0]:.2f}, best {best:.2f} at layer {where}")
print(f"component: embeddings {valence_embed.best_pc[2]:.2f}, best {r:.2f} at layer {place}")

# %% [markdown]
# {{exercise 5.1}}
#
# Write `above_the_band(curve, null)`: the layers whose value lies above the 95th percentile of the null. The null
# holds, for each shuffle, the best of all layers. Both are lists or arrays of numbers; the shuffles stand in no
# order.
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
pc, pc1 = abs(valence.pc_r).max(axis=1), abs(valence.pc_r[:, 0])
print("ridge axis above the band at layers", above_the_band(valence.ridge_r, valence.ridge_null))
print("best component above the band at   ", above_the_band(pc, valence.pc_null))
print("which component is the best:       ", (abs(valence.pc_r).argmax(axis=1) + 1).tolist())
low = pc1.argmin()
print(f"PC1 alone: lowest {pc1[low]:.2f}, at layer {low}, where the best component has {pc[low]:.2f}")
print(f"p = {valence.ridge_p:.4f} (ridge), {valence.pc_p:.4f} (component), for the best of all layers")

# %% [markdown]
# Both are above their limits at every layer, with the smallest p that 2,000 shuffles allow. But look at the
# **embeddings**: from nothing but which words stand in the stories the ridge axis has .84, and the blocks bring it to
# .92. A sweep that begins at layer 0 shows a fine high curve, and not where it comes from.
#
# The component rises further. It is PC1 in all layers but four. In one of these, layer 2, PC1 has next to nothing:
# valence is not gone, it is on PC2. Who follows PC1 alone reports a collapse there.
#
# So this small model shows what the papers report: PC1 is valence, with .81 in Claude Sonnet 4.5, .83 in Gemma-4-E4B,
# .76 in Apertus-8B. Is that the model's doing, or that of its *stories*?
#
# ## Whose stories?
#
# One model, four corpora. The vectors so far came from *shown*. *Told* and *oblique* were the tests of chapter 03.
# And in the papers the model writes *its own*: here SmolLM2 wrote six for each emotion, told never to use the word.
# (Another model reads them, too, as a stranger's.)

# %%
corpora = {name: load_corpus(name) for name in ("shown", "told", "oblique", "own")}
vectors_of = {name: load_or_compute(subject, texts) for name, texts in corpora.items()}
for name, texts in corpora.items():
    print(f"\n[{name}] {texts.select('lonely')[0].text[:190]} ...")

# %% [markdown]
# (The last one says the word. We come to that.)
#
# **Predict:** in which corpora does a ridge axis find valence? In which do the *blocks* add most to what the words
# bring?

# %%
places = ["embed", *vectors_of["told"].layers]  # in the default model every second layer is kept
aligned = {name: align(those, "valence", places) for name, those in vectors_of.items()}
here = places.index(layer)


def by_depth(series, nulls, title):
    """Curves from the embeddings up, and what the best place of any corpus reaches by chance."""
    chance = max(np.quantile(null, 0.95) for null in nulls)
    series = series | {"95 % of shuffles, best place": [chance] * len(places)}
    figure = curves(
        [str(p) for p in places], series, xlabel="layer", ylabel="correlation with human valence", title=title
    )
    figure.axes[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    show(figure)


ridge = {name: a.ridge_r for name, a in aligned.items()}
by_depth(ridge, [a.ridge_null for a in aligned.values()], "Ridge axis, emotions held out")
for name, a in aligned.items():
    above = len(above_the_band(a.ridge_r, a.ridge_null))
    print(f"{name:>8}: embeddings {a.ridge_r[0]:.2f}, layer {layer} {a.ridge_r[here]:.2f}, best "
          f"{a.best_ridge[1]:.2f} (p = {a.ridge_p:.4f}); above the band at {above} of {len(places)} places")  # fmt: skip

# %% [markdown]
# It does in all four; in *oblique* not yet at the embeddings and the layer after them. *Shown* begins highest and
# rises least. Are these rises, from the embeddings to our layer (chosen beforehand), more than accidents of 48
# emotions? Draw the emotions anew, many times.

# %%
from emovec_lite.geometry import correlations, ridge_predictions

drawn = np.random.default_rng(0).choice(len(names), (2000, len(names)))  # 48 emotions with repetition, 2,000 times
for name, those in vectors_of.items():
    low, high = (ridge_predictions(those.at(place).double().numpy(), human) for place in ("embed", layer))
    rises = correlations(high[drawn], human[drawn]) - correlations(low[drawn], human[drawn])
    print(f"{name:>8}: r rises by {correlations(high, human) - correlations(low, human):.2f}, "
          f"95 % interval {np.quantile(rises, 0.025):.2f} to {np.quantile(rises, 0.975):.2f}")  # fmt: skip

# %% [markdown]
# In *shown* the blocks add something, for the interval lies above 0, and little: after .84 little is left. In *told*,
# whose words say less, they add .33, in an interval wholly above that of *shown*. For *oblique* the interval holds 0.
# These emotions cannot decide, which is not the same as "no rise".
#
# **Predict:** in which of the corpora is PC1 valence?

# %%
components = {name: abs(a.pc_r).max(axis=1) for name, a in aligned.items()}
by_depth(components, [a.pc_null for a in aligned.values()], "Best of PCs 1 to 5")
for name, a in aligned.items():
    place, which, r = a.best_pc
    print(f"{name:>8}: best {r:.2f}, PC{which} at layer {place} (p = {a.pc_p:.4f}); PC1 at layer {layer} "
          f"{abs(a.pc_r[here, 0]):.2f}; best component by place", *abs(a.pc_r).argmax(axis=1) + 1)  # fmt: skip

# %% [markdown]
# Here the stories decide. In *shown* it is PC1 nearly everywhere. In *told* and *own* valence does lie along a
# component, more than shuffles explain, but at our layer and above never along the first. In *oblique* no component
# gets beyond what one shuffle in twenty reaches.
#
# *Shown* has twelve topics, the others six. Is it the number? Two comparisons at our layer: *shown* with six topics,
# drawn twenty times, and *told* and *oblique* together, which have twelve. (`pca` gives each emotion a row of scores.
# Turned by `.T`, they are a row for each component, and `correlations` gives each row's r with the ratings.)

# %%
from emovec_lite.extraction import subset_vectors
from emovec_lite.geometry import pca
from emovec_lite.stories import balanced


def components_in(matrix):
    """|r| of PCs 1 to 5 with people's valence."""
    return abs(correlations(pca(matrix.double().numpy())[0].T, human))


draws = [balanced(corpora["shown"], 6, seed=seed) for seed in range(20)]
six = [components_in(subset_vectors(vectors, corpora["shown"], few).at(layer))[0] for few in draws]
together = components_in((vectors_of["told"].at(layer) + vectors_of["oblique"].at(layer)) / 2)
print(f"PC1: shown {components_in(vectors.at(layer))[0]:.2f}; six topics of it {min(six):.2f} to {max(six):.2f}")
print(f"PC1: told and oblique together {together[0]:.2f}, their best component {together.max():.2f}")

# %% [markdown]
# Half of *shown* does as well as all; all of *told* and *oblique* does not. Hence a cautionary tale. An earlier
# edition of this course made its vectors of *told* and *oblique*, found PC1 at .21, and taught that "PC1 is valence"
# is not borne out, as if that were the model's doing. But the same model, at the same layer, has valence on PC1 with
# .81 when it reads the stories of arXiv 2606.26987 (which have no licence, so you have to take our word), and with
# .84 in *shown*: **"PC1 is valence" is a claim about stories and a model**.
#
# ## Do they agree?
#
# Another look at a geometry needs no ratings: compare it with another. Vectors of two models cannot be compared
# number by number, for their axes are not the same; those of one layer, as here, could. But *who is near whom* can
# be.

# %% [markdown]
# {{exercise 5.2}}
#
# Write `rsa(a, b)`: Spearman's rank correlation between the cosines of all pairs of emotions in `a` (emotion, d_a)
# and the same pairs in `b` (emotion, d_b). It is called representational similarity analysis. Both are NumPy arrays,
# with lengths and means as they come.
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

# %% [markdown]
# **Predict:** the RSA of *shown* with *told*, with *oblique*, with *own*?

# %%
at = {name: those.at(layer).double().numpy() for name, those in vectors_of.items()}
rng = np.random.default_rng(0)
for name in ("told", "oblique", "own"):
    shuffled = [rsa(at["shown"], rng.permutation(at[name])) for _ in range(100)]
    print(f"shown and {name:>7}: {rsa(at['shown'], at[name]):.2f} (emotions shuffled: up to {max(shuffled):.2f})")

# %% [markdown]
# Very unequal. Why?
#
# ## Extra: another measure, and noise
#
# (Ten minutes. Without them, go on with *Different, or noisy?*.) Many papers report **CKA** for the same question. It
# is 1 for vectors that are turned and scaled.

# %% [markdown]
# {{exercise 5.3}}
#
# Write `cka(a, b)`, the linear one: centre both over emotions; K = a aᵀ, L = b bᵀ; then sum(K ∘ L) / √(sum(K ∘ K) ·
# sum(L ∘ L)). Both are NumPy arrays (emotion, d).
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
# **Predict** the CKA of *shown* with **random numbers** of the same shape. And with *oblique*?
#
# Beside it stands the library's **debiased** CKA, which leaves the diagonals of K and L out (each emotion's likeness
# to itself) and corrects the sums for that, so that vectors without a relation come out near 0.

# %%
from emovec_lite.geometry import linear_cka

noise = [np.random.default_rng(seed).normal(size=at["shown"].shape) for seed in range(20)]
for name, others in {"noise": noise, "told": [at["told"]], "oblique": [at["oblique"]], "own": [at["own"]]}.items():
    plain, debiased = ([f(at["shown"], other) for other in others] for f in (cka, linear_cka))
    print(f"shown and {name:>7}: CKA {np.mean(plain):.2f}, debiased {np.mean(debiased):.2f}")

# %% [markdown]
# Plain CKA finds noise (the mean of twenty draws) about as similar to *shown* as *oblique*, and more similar than
# *own*. With many more dimensions than emotions, each emotion is most like itself, on both sides,
# and that counts as agreement. RSA and the debiased CKA leave it out. Whoever reports CKA must show this control.
#
# ## Different, or noisy?
#
# "*Oblique* and *own* stories give another geometry"? Careful. There are two reasons for a low agreement: the two are
# *different*, or one of them is *noisy*. How well does each agree with itself?

# %% [markdown]
# {{exercise 5.4}}
#
# Write `split_half(stories, labels, topics, first)`: centred vectors from the stories whose topic is in `first`, the
# same from all other stories, and the RSA of the two. `stories` is a torch tensor (text, d_model); `labels` and
# `topics` are lists, one entry a story, in any order and with unequal numbers; `first` may be a set, a list or a
# tuple.
#
# <details><summary>Hint 1</summary>
# Twice the same: rows, means for each emotion (in alphabetical order), minus their mean. Then your `rsa`.
# </details>
# <details><summary>Hint 2</summary>
# `rows = [i for i, topic in enumerate(topics) if topic in first]`. `stories` is a torch tensor, `rsa` works with
# numpy: `.double().numpy()`.
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
# To be fair, vectors of every corpus get three stories an emotion: two halves of six topics for the agreement with
# itself, and three topics of either for that with *shown*; each twenty times.
#
# How well *could* two corpora agree that differ in noise alone? About as well as the geometric mean of what each
# reaches with itself. **Predict:** which corpus agrees best with itself? Which comes near to what it could reach with
# *shown*?

# %%
from emovec_lite.vectors import project_out


def with_itself(name, seed):
    """Split-half RSA of six topics of a corpus."""
    texts, those = corpora[name], vectors_of[name]
    drawn = np.random.default_rng(seed).permutation(texts.topics).tolist()[:6]
    rows = [i for i, story in enumerate(texts) if story.topic in drawn]
    stories = project_out(those.stories.at(layer), those.neutral_at(layer))[rows]
    return split_half(stories, [texts.labels[i] for i in rows], [texts.stories[i].topic for i in rows], drawn[:3])


def with_shown(name, seed):
    """RSA of three topics of a corpus with three of the shown ones."""
    sides = []
    for which in ("shown", name):
        few = subset_vectors(vectors_of[which], corpora[which], balanced(corpora[which], 3, seed=seed))
        sides.append(few.at(layer).double().numpy())
    return rsa(*sides)


itself = {name: [with_itself(name, seed) for seed in range(20)] for name in corpora}
shown = {name: [with_shown(name, seed) for seed in range(20)] for name in corpora if name != "shown"}

# %%
mean = {name: np.mean(values) for name, values in itself.items()}
most = {name: np.sqrt(mean["shown"] * max(0, mean[name])) for name in shown}
series = {
    "with itself": [mean[name] for name in shown], "with shown": [np.mean(shown[name]) for name in shown],
    "with shown, at most": list(most.values()),
}  # fmt: skip
show(dots(list(shown), series, xlabel="RSA, three stories an emotion on each side", title="Different, or noisy?"))
for name, values in itself.items():
    print(f"{name:>8} with itself {mean[name]:5.2f} ({min(values):.2f} to {max(values):.2f})", end="")
    if name in shown:
        print(f"; with shown {np.mean(shown[name]):.2f} ({min(shown[name]):.2f} to {max(shown[name]):.2f}), at most "
              f"{most[name]:.2f}", end="")  # fmt: skip
    print()

# %% [markdown]
# - *Told* agrees with *shown* nearly as well as with itself. Still they stay below what noise alone would leave:
#   probably a difference, on top of the noise.
# - *Oblique* is noisy, but not so noisy as to explain this: it **differs** from *shown*.
# - *Own* does not agree with itself. So no difference can be claimed, and no likeness denied. (Its "at most" is an
#   estimate from values near 0, and cannot be trusted there.)
#
# It does not follow that there is nothing in *own*: its ridge axis predicts valence, well above its embeddings. RSA
# weighs all pairs alike, and one shared direction can drown in that.
#
# ## Extra: did it only say so?
#
# (Ten minutes. Without them, go on with *What the paper reports*.) Or did that axis read the word itself, which the
# model was told never to use? Leave out the stories that leak. The control: of each emotion as **many** stories left
# out, but drawn at random.

# %%
from emovec_lite.extraction import centred_means
from emovec_lite.alignment import ridge_r
from emovec_lite.rules import leaks

own, texts = vectors_of["own"], corpora["own"]
pooled, everyone = own.stories.at(layer), range(len(texts))
leaking = [i for i in everyone if leaks(texts.labels[i]).search(texts.texts[i])]
print(f"{len(leaking)} of {len(texts)} stories say their emotion, or a word of its family")


def valence_of(stories, rows):
    """Ridge r for valence, of vectors from these rows of pooled stories."""
    means, _ = centred_means(stories[rows], [texts.labels[i] for i in rows])
    return ridge_r(project_out(means, own.neutral_at(layer)).double().numpy(), names, "valence")


# %%
rng, control = np.random.default_rng(0), []
for _ in range(200):
    kept = []
    for emotion in names:
        rows = rng.permutation([i for i in everyone if texts.labels[i] == emotion])
        kept += rows[sum(i in leaking for i in rows):].tolist()  # fmt: skip
    control.append(valence_of(pooled, kept))
without = valence_of(pooled, [i for i in everyone if i not in leaking])
print(f"all stories:                 r = {valence_of(pooled, list(everyone)):.2f}")
print(f"without the leaking stories: r = {without:.2f}")
lower = sum(r <= without for r in control)
print(f"without as many others:      r = {min(control):.2f} to {max(control):.2f}, as low in {lower} of 200 draws")

# %% [markdown]
# Most of it is gone, and none of 200 random draws takes as much. The conclusion seems plain: it came from **the words
# that leaked**. Many papers would stop here. But a story that leaks differs in more than that word. Sharper: keep all
# stories, take only **the words** out, and read those stories again (half a minute).
#
# **Predict** what will happen to r, if it was the words.

# %%
from emovec_lite.activations import mean_activations

censored = [leaks(texts.labels[i]).sub("", texts.texts[i]) for i in leaking]
again = pooled.clone()
again[leaking] = mean_activations(subject, censored).at(layer)
results = {"leaking stories left out": [without], "only their words left out": [valence_of(again, list(everyone))]}
show(dots(
    ["own stories"], results, null=[control], null_label="as many others left out",
    xlabel="correlation with human valence, emotions held out", title="Where does the valence in them come from?",
))  # fmt: skip

# %% [markdown]
# It was **hardly** the words. More likely, the stories that say the word are those in which the model kept to the
# emotion at all. The first control looked right, and removed two things at once. *A control has to remove one thing.*
#
# ## What the paper reports, and what is borne out here
#
# | arXiv 2606.26987 | the default model, *shown* | *told*, *oblique*, *own* |
# |---|---|---|
# | PC1 is valence: .76 in Apertus-8B, .83 in Gemma-4-E4B, best layer | yes: .86 at the best layer | no |
# | valence is absent in early layers (Apertus-8B, by PC1) | no: it is in the words | by ridge no, but for layer 1 of *oblique* |
# | valence collapses late (Gemma-4-E4B from layer 17 on, by PC1) | no | by ridge no |
#
# The models differ in size by a factor of up to sixty, and the stories are others. The paper's ratings are those of
# NRC-VAD (a lexicon of valence, arousal and dominance that may not be passed on), ours the Glasgow Norms. And its
# numbers are those of the best layer, uncorrected for having looked at all. Chapter 09 runs other models.
#
# ## Your answer

# %% [markdown]
# {{exercise 5.5}}
#
# Write `conclusion(found)`: one paragraph, 40 to 250 words, that answers the title for this model. It must state
# three numbers, each by its name, out of `found`: `found["embed"]`, the ridge r for valence at the embeddings;
# `found["best"]`, the best layer's; and `found["p"]`, its p-value. (If you name a layer as the best, name
# `found["layer"]`.) The check calls it with other numbers, too, and looks for a few claims that go too far; whether
# the paragraph is true and well argued a machine cannot judge: read it to a neighbour.
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
        "pleasant an emotion is, and what we see of it hangs on the stories. In those that show the emotion, part of it "
        "comes with the words: at the token embeddings human valence can be predicted for an emotion that the fit has "
        f"not seen with r = {found['embed']:.2f}, though the fit has seen its near-synonyms. The blocks add to that, up "
        f"to r = {found['best']:.2f} at layer {found['layer']}. With ratings shuffled, and the best layer taken each "
        f"time as it was here, as much comes out with p = {found['p']:.4f}. Which single component it lies along is a "
        "matter of the stories as well as of the model."
    )
    ### END SOLUTION


conclusion = check("5.5", conclusion)

# %%
found = {"embed": valence_embed.best_ridge[1], "best": best, "layer": where, "p": valence.ridge_p}
print(conclusion(found))

# %% [markdown]
# ## Take away
#
# - Begin every sweep at the **embeddings**: what the words bring is not the blocks' doing.
# - "PC1 is valence" is a claim about **stories and a model**; which component it is changes with depth, too.
# - Low agreement is a **difference** only between things that agree with themselves, on equal numbers.
# - Plain CKA finds noise similar. Show the control.
# - A control has to remove **one thing**: leaving out the stories that leak left out more than the leak.
#
# ## Three questions

# %%
quiz("05")

# %% [markdown]
# ## Read on
#
# arXiv 2606.26987, the figures of PC1 and valence by layer: with this chapter in mind, which of your controls would
# you ask for? Kornblith et al. 2019, *Similarity of Neural Network Representations Revisited*, the definition of CKA.

# %%
progress()

# %% [markdown]
# Next: [06 Steering](06_steering.ipynb).
