# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 04 · The geometry of feeling words
#
# {{badges}}
#
# **You will** ask how 48 emotion vectors lie to one another, find the directions in which they vary most, compare those
# with how *people* rate the words, and find out how good a correlation must be before it means something. At the end
# stands the circle of emotions of chapter 00, this time made by you.
#
# **You need** chapters 02 and 03 (p-values, permutations), and to have met principal components once. 60 minutes. The
# cells take {{measured}} of memory on two cores, without a GPU; the model itself is hardly needed.
#
# {{box}}

# %%
# setup

# %%
import numpy as np

from emovec_lite import load_or_compute, ratings, show
from emovec_lite.course import check, progress, quiz
from emovec_lite.plots import circumplex, cosine_map, dots

vectors = load_or_compute(subject)
names = list(vectors.emotions)
layer = subject.main_layer  # chosen before we look, as in chapter 03
matrix = vectors.at(layer).double().numpy()
print(matrix.shape)

# %% [markdown]
# From here on we work with numpy: a matrix with a row for each emotion.
#
# ## Who is like whom

# %% [markdown]
# {{exercise 4.1}}
#
# Write `cosine_matrix(vectors)`: the cosine of every pair of rows, an array (emotion, emotion).
#
# <details><summary>Hint 1</summary>
# Scale every row to length 1. Then a matrix product does the rest.
# </details>
# <details><summary>Hint 2</summary>
# `np.linalg.norm(vectors, axis=1, keepdims=True)` has the lengths of the rows.
# </details>

# %%
def cosine_matrix(vectors):
    """The cosine of every pair of rows: (emotion, emotion)."""
    ### BEGIN SOLUTION
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T
    ### END SOLUTION


cosine_matrix = check("4.1", cosine_matrix)

# %% [markdown]
# **Predict:** which emotion lies nearest to *afraid*? To *proud*? And to *bored*?

# %%
likeness = cosine_matrix(matrix)
np.fill_diagonal(likeness, -1)
for name in ("afraid", "proud", "bored", "happy", "jealous", "sleepy"):
    nearest = np.argsort(-likeness[names.index(name)])[:3]
    print(f"{name:>8}: {', '.join(f'{names[i]} {likeness[names.index(name), i]:.2f}' for i in nearest)}")

# %% [markdown]
# Some neighbours are what one would expect, and some are not: what has *sleepy* to do with *disgusted*? These vectors
# hold what twelve stories of each emotion have in common, and that need not be the emotion alone.
#
# All pairs at once, ordered so that like stands beside like. Look for squares along the diagonal: families.

# %%
show(cosine_map(vectors, layer))

# %% [markdown]
# ## Are there families?
#
# *k-means* sorts points into k groups around k centres. It will cut *anything* into k groups, a shapeless cloud too. So
# ask two things of groups. Do they come out again when a fifth of the emotions is left out? (The adjusted Rand index is
# 1 if two groupings are the same, and 0 for chance.) And do they come out again **more than those of a shapeless cloud**
# with the same spread?
#
# **Predict:** for which number of groups will the stability be highest, and where will it beat the cloud?

# %%
from emovec_lite.geometry import cluster

stable, clouds, sizes = [], [], (3, 5, 10)
for k in sizes:
    groups = cluster(matrix, k, clouds=99)
    stable.append(groups.stability)
    clouds.append(groups.null.tolist())
    print(f"k = {k}: stability {groups.stability:.2f}, p = {groups.p:.3f}")
show(dots(
    [f"k = {k}" for k in sizes], {"emotions": stable}, null=clouds, null_label="shapeless clouds",
    xlabel="stability (mean adjusted Rand index)", title="Do the same groups come out again?",
))  # fmt: skip

# %% [markdown]
# Three values of k were tried, so each p has to be multiplied by three. Ten groups, the number that Sofroniew et al. 2026
# use, do better than all their clouds, also then; the others do not. Yet even for ten the stability is far from 1: many
# emotions change groups. It may be better to think of *directions* than of families, so let us look for those.
#
# ## Principal components
#
# The first principal component is the direction in which the 48 vectors differ most; the second the one in which they
# differ most apart from that, and so on. Nobody told it about valence or arousal.

# %% [markdown]
# {{exercise 4.2}}
#
# Write `principal_scores(vectors, k)`: each emotion's place along the first k principal components, an array
# (emotion, component). Signs are as they come.
#
# <details><summary>Hint 1</summary>
# Subtract the mean row. `np.linalg.svd(x, full_matrices=False)` gives `U, S, Vh`, the largest first.
# </details>
# <details><summary>Hint 2</summary>
# The places are `U * S`, or just as well `x @ Vh.T`; of either the first k columns.
# </details>

# %%
def principal_scores(vectors, k):
    """Each emotion's place along the first k principal components: (emotion, component)."""
    ### BEGIN SOLUTION
    u, s, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    return (u * s)[:, :k]
    ### END SOLUTION


principal_scores = check("4.2", principal_scores)

# %%
scores = principal_scores(matrix, 5)
total = ((matrix - matrix.mean(axis=0)) ** 2).sum()
print("share of variance:", np.round((scores**2).sum(axis=0) / total, 3))
for i in range(3):
    order = np.argsort(scores[:, i])
    print(f"PC{i + 1}: {', '.join(names[j] for j in order[:4])} ... {', '.join(names[j] for j in order[-4:])}")

# %% [markdown]
# Read the two ends of each component and try to name it. Is one of them *pleasant against unpleasant*? PC1 has *alert* and
# *peaceful* at the same end. Perhaps their stories look at things and the others' at people? A name for a component is
# always a guess, and it is easy to find one. So we ask people, who did not know our components.
#
# ## What people say
#
# Hundreds of people rated words for the **Glasgow Norms** (Scott et al. 2019), on scales from 1 to 9: **valence**, how
# pleasant, and **arousal**, how stirring. Does a component follow valence?
#
# Two things are arbitrary about a component, and both have led people astray. Its **sign**: turn it round, and it is as
# good as before, so a strong negative correlation is worth as much as a strong positive one. And its **rank**: "PC1" is the one with most variance, and
# nothing says that people's most important scale must come first.

# %% [markdown]
# {{exercise 4.3}}
#
# Write `best_component(scores, ratings)`: which component follows the ratings best, counted from 1, and how well, as
# |r| (Pearson). Return the two.
#
# <details><summary>Hint 1</summary>
# One r for each column; then the largest absolute value.
# </details>
# <details><summary>Hint 2</summary>
# `np.corrcoef(column, ratings)[0, 1]` is one r. `argmax` counts from 0.
# </details>

# %%
def best_component(scores, ratings):
    """The number (from 1) of the component that follows the ratings best, and |r|."""
    ### BEGIN SOLUTION
    r = [abs(np.corrcoef(column, ratings)[0, 1]) for column in scores.T]
    return int(np.argmax(r)) + 1, max(r)
    ### END SOLUTION


best_component = check("4.3", best_component)

# %% [markdown]
# **Predict:** which component of our layer is valence, and how well does it follow people's ratings? (The paper on Claude
# Sonnet 4.5 found PC1, with .81.)

# %%
valence, arousal = ratings(names, "valence"), ratings(names, "arousal")
number, r = best_component(scores, valence)
first = abs(np.corrcoef(scores[:, 0], valence)[0, 1])
print(f"best: PC{number}, |r| = {r:.2f}.  PC1: |r| = {first:.2f}")

# %% [markdown]
# PC1 is not valence here. Whoever looks at PC1 only would report that this model has no valence axis. Is that so? A
# component is where the vectors *vary* most. Whether valence can be **read** from them is another question, and needs
# another tool.
#
# ## Predict the one you left out
#
# Fit a direction to the ratings and correlate what it says with what people say? With 48 points in hundreds of dimensions
# there are many directions that fit perfectly, even if the ratings are shuffled. **Ridge regression** is a linear fit that keeps
# its weights small; a *penalty* says how small. It picks one of the many. But how good that one is can be seen only on
# an emotion that it has not used: leave one out, fit on the other 47, predict the one; and do it for each.

# %% [markdown]
# {{exercise 4.4}}
#
# Write `ridge_held_out(vectors, ratings, penalty)`: each emotion's rating as predicted by a ridge regression, with an
# intercept, on all the *other* emotions: an array (emotion,). The penalty stands beside the *sum* of the squared errors.
#
# <details><summary>Hint 1</summary>
# In a loop: the mean vector and mean rating of the others are subtracted; weights are fitted; the mean rating is added
# back to the prediction.
# </details>
# <details><summary>Hint 2</summary>
# With centred `x` (other emotions, d_model) and `y`:
# `weights = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)`. Or scikit-learn's `Ridge(alpha=penalty)`.
# </details>

# %%
def ridge_held_out(vectors, ratings, penalty):
    """Each emotion's rating as predicted from all the other emotions: (emotion,)."""
    ### BEGIN SOLUTION
    predicted = np.empty(len(ratings))
    for i in range(len(ratings)):
        rest = np.arange(len(ratings)) != i
        centre, mean = vectors[rest].mean(axis=0), ratings[rest].mean()
        x, y = vectors[rest] - centre, ratings[rest] - mean
        weights = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)
        predicted[i] = mean + (vectors[i] - centre) @ weights
    return predicted
    ### END SOLUTION


ridge_held_out = check("4.4", ridge_held_out)

# %% [markdown]
# The penalty is set before looking: the mean squared length of the centred vectors. And the null: shuffled ratings.
#
# **Predict** r for valence: below the best component, or above?

# %%
def penalty(vectors):
    """The mean squared length of the centred vectors: a size that fits the data, and is not tuned."""
    return ((vectors - vectors.mean(axis=0)) ** 2).sum() / len(vectors)


predicted = ridge_held_out(matrix, valence, penalty(matrix))
print(f"valence, each emotion predicted from the others: r = {np.corrcoef(predicted, valence)[0, 1]:.2f}")
rng, shuffled = np.random.default_rng(0), []
for _ in range(200):
    mixed = rng.permutation(valence)
    shuffled.append(np.corrcoef(ridge_held_out(matrix, mixed, penalty(matrix)), mixed)[0, 1])
print(f"with ratings shuffled, 95 % stay below {np.quantile(shuffled, 0.95):.2f}")
worst = np.argsort(-abs(predicted - valence))[:4]
print("furthest off:", ", ".join(f"{names[i]} ({valence[i]:.1f}, predicted {predicted[i]:.1f})" for i in worst))

# %% [markdown]
# So valence can be read, far better than by luck, in a direction that is no single component. *"PC1 is valence" can be
# false while valence is there.*
#
# One doubt remains. When *anxious* is left out, *nervous* and *worried* are not. So leave out whole **families** of
# near-synonyms.
#
# **Predict** what is left, at our layer and at the token embeddings.

# %%
from sklearn.linear_model import Ridge

from emovec_lite.stories import lexicon

families = np.array([lexicon()[name]["family"] for name in names])


def family_held_out(vectors, ratings):
    """Each emotion's rating as predicted from all the other families."""
    predicted = np.empty(len(ratings))
    for family in set(families):
        own = families == family
        predicted[own] = Ridge(alpha=penalty(vectors)).fit(vectors[~own], ratings[~own]).predict(vectors[own])
    return predicted


for place in (layer, "embed"):
    here = vectors.at(place).double().numpy()
    one, family = ridge_held_out(here, valence, penalty(here)), family_held_out(here, valence)
    r_one, r_family = (np.corrcoef(x, valence)[0, 1] for x in (one, family))
    print(f"layer {place}: one emotion left out r = {r_one:.2f}, its whole family left out r = {r_family:.2f}")

# %% [markdown]
# The layer loses little. The embeddings lose half: what they had was largely that *nervous* is a word like *worried*.
#
# ## Arousal, without valence
#
# In these words the two scales go together: pleasant words are more stirring, in the Glasgow Norms. A direction for valence
# would get some credit for arousal as well. So we take valence **out** of arousal first: what is left when the best
# straight line in valence is subtracted.

# %% [markdown]
# {{exercise 4.5}}
#
# Write `partial_out(y, x)`: what is left of y when a straight line in x, with its intercept, is taken out. All three
# are arrays, (emotion,).
#
# <details><summary>Hint 1</summary>
# Subtract the mean from both. The slope is (x · y) / (x · x).
# </details>
# <details><summary>Hint 2</summary>
# What is left has a correlation of 0 with x: test your answer on that.
# </details>

# %%
def partial_out(y, x):
    """What is left of y when a straight line in x is taken out."""
    ### BEGIN SOLUTION
    x, y = x - x.mean(), y - y.mean()
    return y - (x @ y) / (x @ x) * x
    ### END SOLUTION


partial_out = check("4.5", partial_out)

# %%
beyond = partial_out(arousal, valence)
print(f"valence and arousal in people's ratings: r = {np.corrcoef(valence, arousal)[0, 1]:.2f}")
lifted = ridge_held_out(matrix, beyond, penalty(matrix))
print(f"arousal beyond valence, predicted from the others: r = {np.corrcoef(lifted, beyond)[0, 1]:.2f}")

# %% [markdown]
# Both together make the **circumplex**, an old idea of psychology: emotions around a circle, pleasant to the right, stirring
# above. Each emotion stands where the axes fitted on *all the others* put it. Look for those in the wrong place, too: *bitter*,
# *disgusted* and *lonely* are right of the middle, and *relieved* is left of it.

# %%
show(circumplex(vectors, layer))

# %% [markdown]
# ## How good is good?
#
# We took the best of five components. Had we looked at all layers, 30 in the default model, we would have taken the best of
# 150 numbers, and the best of 150 is large even if there is nothing. The honest question: **how large is the best of 150 when the ratings are
# shuffled?**

# %% [markdown]
# {{exercise 4.6}}
#
# Write `max_null(scores, ratings, orders)`: `scores` has the components of all layers, (layer, component, emotion);
# `orders` has a shuffled order of the emotions in each row, (permutation, emotion). For each order, correlate the
# reordered ratings with everything, and keep the largest |r|. Return (permutation,).
#
# <details><summary>Hint 1</summary>
# `ratings[order]` reorders. One order is used for *all* layers and components: what is shuffled is which rating belongs to
# which emotion, once.
# </details>
# <details><summary>Hint 2</summary>
# Standardise once: with scores and ratings centred and scaled to length 1 along the emotions, `scores @ ratings[order]`
# holds every r of an order. Then `abs(…).max()`.
# </details>

# %%
def max_null(scores, ratings, orders):
    """For each shuffled order of the ratings the largest |r| over all layers and components: (permutation,)."""
    ### BEGIN SOLUTION
    def standard(x):
        x = x - x.mean(axis=-1, keepdims=True)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    scores, ratings = standard(scores), standard(ratings)
    return np.array([abs(scores @ ratings[order]).max() for order in orders])
    ### END SOLUTION


max_null = check("4.6", max_null)

# %% [markdown]
# **Predict** the 95th percentile of three nulls: one component of one layer; the best of five components; the best of five
# components in all layers.

# %%
everything = np.stack([
    principal_scores(vectors.at(i).double().numpy(), 5).T for i in range(vectors.n_layers)
])  # fmt: skip
rng = np.random.default_rng(0)
orders = np.stack([rng.permutation(len(names)) for _ in range(1000)])
looked_at = {
    f"PC1, layer {layer}": everything[[layer], :1],
    f"best PC, layer {layer}": everything[[layer]],
    "best PC, any layer": everything,
}
for what, part in looked_at.items():
    null = max_null(part, valence, orders)
    found = max(abs(np.corrcoef(row, valence)[0, 1]) for row in part.reshape(-1, len(names)))
    p = (1 + (null >= found).sum()) / (1 + len(null))
    print(f"{what:>18}: |r| = {found:.2f}; 95 % of shuffles stay below {np.quantile(null, 0.95):.2f}; p = {p:.3f}")

# %% [markdown]
# The bar rises with every place where one looks. A correlation just above the first bar would be a discovery for a
# component chosen beforehand, and is nothing unusual for the best of 150. Ours passes the highest bar as well; only now
# may we say so.
#
# ## How sure, with other stories?
#
# There is another doubt: with twelve other stories for each emotion, would we find the same? The **bootstrap** draws the
# stories anew, many times, and looks how far the result moves.
#
# **Predict** how wide the intervals will be.

# %%
from emovec_lite import load_corpus
from emovec_lite.geometry import best_pc_r, bootstrap, ridge_r

corpus = load_corpus()
for name, statistic in (("best PC", best_pc_r), ("ridge", ridge_r)):
    for scale in ("valence", "arousal"):
        interval = bootstrap(vectors, corpus, layer, lambda v: statistic(v, names, scale), samples=200)  # noqa: B023
        low, high = interval.bounds
        print(f"{name:>8}, {scale}: {interval.observed:.2f}, 95 % interval {low:.2f} to {high:.2f}")

# %% [markdown]
# These intervals say how far the choice of *stories* matters, on the same twelve topics. Other topics would move the results
# further. And for the best of several components they are somewhat too narrow: choosing the best is part of the luck.
#
# ## Explore
#
# Move the slider, by mouse or with the arrow keys, and watch the emotions move from layer to layer. **Predict** first: where
# do pleasant and unpleasant stand furthest apart? What will layer 0 look like, where the model has hardly begun?

# %%
from emovec_lite.widgets import layer_explorer

layer_explorer(vectors, layer)

# %% [markdown]
# Where no widget runs, here is layer 0, to compare with our layer above.

# %%
show(circumplex(vectors, 0))

# %% [markdown]
# ## Take away
#
# - Components are where vectors **vary**; a held-out fit says what can be **read**. They are different questions.
# - The sign of a component is arbitrary, and so is its rank.
# - With more dimensions than emotions a perfect fit means nothing: **predict the one you left out**, and its family.
# - Arousal goes with valence in these words: take it **out** first.
# - The null must be allowed to look **wherever you looked**.
#
# ## Three questions

# %%
quiz("04")

# %% [markdown]
# ## Read on
#
# Sofroniew et al. 2026, the section on the geometry of emotion vectors: their PC1 and PC2, and what they compare them with.
# Scott et al. 2019, *The Glasgow Norms*: the section on how the ratings of a word's senses were collected.

# %%
progress()

# %% [markdown]
# Next: [05 Where do models find happiness?](05_where_is_happiness.ipynb).
