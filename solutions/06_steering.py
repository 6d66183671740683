# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 06 · Steering
#
# {{badges}}
#
# **You will**
#
# - push a model along an emotion vector while it writes, with nnsight and with a `with` block of your own;
# - measure what the push does, to single words and to whole texts, beside random directions and directions from shuffled
#   labels;
# - measure what it costs, see where it breaks, and find a layer and a strength that are worth their price;
# - steer by hand: a panel, a compass, and a text coloured by what it evokes.
#
# **You need** chapters 01 and 02; 03 for the lens; 04 for the plane of valence and arousal and for the nulls. 75
# minutes. The cells take {{measured}} of memory on two cores, without a GPU.
#
# {{box}}

# %%
# setup

# %%
import numpy as np
import torch

from emovec_lite import generate, load_or_compute, random_directions, show, steer
from emovec_lite.course import check, progress, quiz

vectors, layer = load_or_compute(subject), subject.main_layer
prompt = "The bus broke down, and she"
afraid, happy = vectors.direction("afraid", layer), vectors.direction("happy", layer)
print(f"layer {layer} of {subject.n_layers}; a residual there is {afraid.residual_norm:.0f} long on average")

# %% [markdown]
# ## How hard is a push?
#
# To steer is to add a vector to the residual stream while the model runs. An emotion vector gives the direction. But
# how *much* of it? Papers and blog posts name coefficients: 4, 10, 300. Without a unit such a number says nothing. Here
# is how long residuals are on average, layer by layer.
#
# **Predict** what part of a residual a vector of length 4 is at layer 0, and what part at the last layer.

# %%
from emovec_lite.plots import curves

norms = vectors.norms.tolist()
show(curves(
    list(vectors.layers), {"mean length": norms}, xlabel="layer", ylabel="norm", title="How long residuals are",
))  # fmt: skip
first, last = vectors.layers[0], vectors.layers[-1]
print(f"4 is {4 / norms[0]:.2f} of a residual at layer {first}, and {4 / norms[-1]:.3f} at layer {last}")

# %% [markdown]
# The same vector is a tenth of a residual at the first layer and a 250th at the last, and between models lengths differ
# far more. So this course counts, as Sofroniew et al. 2026 do, in **fractions of the mean residual norm**: strength
# 0.25 is a push a quarter as long as the residuals at that layer.

# %% [markdown]
# {{exercise 6.1}}
#
# Write `push(direction, strength)`: the vector to add, a tensor. A `Direction` has a `.vector` (of length 1, unless you
# have added or scaled directions) and the mean norm at its layer, `.residual_norm`. A strength may be negative, or above
# 1.
#
# <details><summary>Hint 1</summary>
# Three factors, nothing else.
# </details>
# <details><summary>Hint 2</summary>
# Do not make the vector unit length again: the sum of two directions is meant to push harder than one.
# </details>

# %%
def push(direction, strength):
    """The vector that steering adds: (d_model,)."""
    ### BEGIN SOLUTION
    return strength * direction.residual_norm * direction.vector
    ### END SOLUTION


push = check("6.1", push)

# %% [markdown]
# ## While the model writes
#
# In chapter 01 you edited one forward pass. To write a text the model makes many: one reads the prompt and gives the
# first new token; then one for each token. nnsight's `generate` runs them all. An edit inside it looks the same as
# before.
#
# **Predict:** we add the vector once, as in a trace. Which of the new tokens will differ from the unsteered ones?

# %%
def written_by(edit, steps=24):
    """What nnsight's generate writes when `edit` is called in its body."""
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        edit(tracer)
        ids = tracer.result.save()
    return subject.tokenizer.decode(ids[0, -steps:])


vector = push(afraid, 0.3).to(subject.device, subject.dtype)


def add_once(tracer):
    subject.nn.blocks[layer].output[:] += vector


print("unsteered:", written_by(lambda tracer: None))
print("one step: ", written_by(add_once))

# %% [markdown]
# The edit was made in the *first* pass only, over the prompt, and nnsight says nothing about it. Still the whole text
# is another: the first new token comes from the edited pass, and every later one reads that token, and the edited
# prompt in the model's cache, though nothing is added any more. It is the commonest way to steer less than one thinks.
# To edit every pass, loop over the steps:
#
# ```python
# for _ in tracer.iter[:steps]:
#     ...
# ```
#
# Two traps. Nothing written *after* an open-ended `tracer.iter[:]` ever runs. And a model that ends its text early ends
# the loop, and what follows it, too: hence `min_new_tokens`.

# %% [markdown]
# {{exercise 6.2}}
#
# Write `generate_steered(subject, prompt, layer, vector, steps)`: the ids of the `steps` new tokens, as a list, when
# the vector is added at every position after block `layer`, in every pass. At each step the likeliest token, whatever
# the model's own settings are, and exactly `steps` of them, even if the model would like to end earlier.
#
# <details><summary>Hint 1</summary>
# The cell above, with a loop around the edit. Ask for exactly `steps` tokens: `max_new_tokens` and `min_new_tokens`.
# </details>
# <details><summary>Hint 2</summary>
# `for _ in tracer.iter[:steps]: subject.nn.blocks[layer].output[:] += vector`, and after the loop, still inside
# the `with`, `ids = tracer.result.save()`. The new ones are the last `steps` of `ids[0]`.
# </details>

# %%
def generate_steered(subject, prompt, layer, vector, steps):
    """The ids of the new tokens, with `vector` added after block `layer` in every pass: a list."""
    ### BEGIN SOLUTION
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _ in tracer.iter[:steps]:
            subject.nn.blocks[layer].output[:] += vector
        ids = tracer.result.save()
    return ids[0, -steps:].tolist()
    ### END SOLUTION


generate_steered = check("6.2", generate_steered, subject)

# %%
theirs = subject.tokenizer.decode(generate_steered(subject, prompt, layer, vector, 24))
print("every step:", theirs)

# %% [markdown]
# ## A `with` block of your own
#
# For everything else in this chapter we want a tool that works around any code: reading, generating, a widget. A context
# manager does that. Python runs what stands before `yield`, then the body of the `with`, then what stands after:
#
# ```python
# @contextmanager
# def noted():
#     print("begin")
#     try:
#         yield
#     finally:
#         print("end")   # also after an error, also after Ctrl-C
# ```

# %% [markdown]
# {{exercise 6.3}}
#
# Write `adding(subject, layer, vector)`, so that inside `with adding(…):` the vector is added to whatever block `layer`
# puts out, in every pass, and afterwards the model is what it was, even if the body fails. Before the `with` begins
# nothing is added: to call `adding` is not yet to enter it.
#
# <details><summary>Hint 1</summary>
# What a forward hook *returns* takes the place of the output: `lambda module, args, output: output + vector`.
# </details>
# <details><summary>Hint 2</summary>
# Register the hook, then `try:`, `yield`, `finally:`, `handle.remove()`. Nothing else.
# </details>

# %%
from contextlib import contextmanager


@contextmanager
def adding(subject, layer, vector):
    """Inside the block, `vector` is added to every token after block `layer`."""
    ### BEGIN SOLUTION
    handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: output + vector)
    try:
        yield
    finally:
        handle.remove()
    ### END SOLUTION


adding = check("6.3", adding, subject)

# %% [markdown]
# The library's `steer` is the same idea with the unit built in, a choice of positions, and a lock, so that two threads
# do not steer each other. Three ways now, and they should agree *letter for letter*. And what does nnsight cost?

# %%
import time


def by_block():
    with adding(subject, layer, vector):
        return generate(subject, prompt, 24)


def by_nnsight():
    return subject.tokenizer.decode(generate_steered(subject, prompt, layer, vector, 24))


def by_library():
    with steer(subject, afraid, strength=0.3):
        return generate(subject, prompt, 24)


texts = set()
for way in (by_block, by_nnsight, by_library):
    started = time.perf_counter()
    texts.add(way())
    print(f"{way.__name__:>10}: {time.perf_counter() - started:.1f} s")
print("one text from three ways" if len(texts) == 1 else f"{len(texts)} different texts")

# %% [markdown]
# ## One word: the odds
#
# What does a push *do*? First the smallest thing that one can measure. After "He feels" and three prompts like it, how
# do the **log odds** of an emotion's word change when its own vector is added, and when another's is? (Odds are p / (1
# − p); a change of +1 in their logarithm makes them about 2.7 times as large.) For twelve emotions, chosen before we
# looked, that gives a matrix: a row for each direction, a column for each word.
#
# **Predict:** in how many rows is the own word the one that gains most?

# %%
from emovec_lite.plots import odds_map
from emovec_lite.steering import odds_matrix

names = [
    "afraid", "angry", "bored", "calm", "excited", "grateful", "happy", "lonely", "peaceful", "proud", "sad", "tired",
]  # fmt: skip
directions = [vectors.direction(name, layer) for name in names]
matrix = odds_matrix(subject, directions, names, strength=0.25)
show(odds_map(matrix, names, names, title=f"Steering at layer {layer}, strength 0.25"))

# %% [markdown]
# In 11 of the 12 rows the own word gains most; in the row of *lonely* it is *happy*. There are pale cells on the
# diagonal (*grateful*), and dark ones beside it. Some of those make sense: *calm* and *peaceful* raise each other,
# *afraid* lowers *happy* most. But it is no map of pleasant against unpleasant: *sad* and *lonely* raise *happy*, and
# *happy* raises *sad*. To say how strong the diagonal is, one number: own words against all the others. And to say what
# chance would give, the same number for other **orders**: pretend that row *i* belongs to the word `order[i]`.

# %% [markdown]
# {{exercise 6.4}}
#
# Write `diagonal_gap(matrix, order)`: the mean of the entries `matrix[i, order[i]]`, minus the mean of all the other
# entries. `matrix` is an array; `order` may be an array, a list or a tensor of column numbers.
#
# <details><summary>Hint 1</summary>
# `matrix[np.arange(n), order]` picks one entry from each row.
# </details>
# <details><summary>Hint 2</summary>
# The others' sum is `matrix.sum() - own.sum()`, and there are n² − n of them.
# </details>

# %%
def diagonal_gap(matrix, order):
    """How much more own words gain than the others: one number."""
    ### BEGIN SOLUTION
    n = len(matrix)
    own = matrix[np.arange(n), order]
    return own.mean() - (matrix.sum() - own.sum()) / (n * n - n)
    ### END SOLUTION


diagonal_gap = check("6.4", diagonal_gap)

# %%
from emovec_lite.geometry import max_corrected_null, permutation_p
from emovec_lite.plots import dots

gap = diagonal_gap(matrix, np.arange(len(names)))
null = max_corrected_null(  # one number for each order: a plain permutation null
    lambda orders: np.array([[diagonal_gap(matrix, order)] for order in orders.astype(int)]), np.arange(len(names)),
)  # fmt: skip
own = np.diag(matrix)
print(f"own {own.mean():+.2f}, others {(matrix.sum() - own.sum()) / (len(own) ** 2 - len(own)):+.2f}, gap {gap:.2f}, "
      f"p = {permutation_p(gap, null):.4f}")  # fmt: skip

# %%
from emovec_lite import load_corpus
from emovec_lite.steering import shuffled_label_directions

pushes = [*random_directions(happy, 20), *shuffled_label_directions(vectors, load_corpus(), happy, 5)]
chance = odds_matrix(subject, pushes, names, strength=0.25)
print(f"random directions {chance[:20].mean():+.2f}, shuffled labels {chance[20:].mean():+.2f} on average")
print("own direction above all 25:", [name for name, gain, null in zip(names, own, chance.T) if gain > null.max()])
show(dots(
    names, {"own direction": own}, null=chance.T, null_label="20 random, 5 shuffled labels",
    xlabel="change in log odds of the word", title="Each word under its own direction",
))  # fmt: skip

# %% [markdown]
# None of 2,000 orders reaches the gap (so p is the smallest possible). Then the pushes that mean nothing: 20 random
# directions, and 5 that the recipe makes of the same stories with the emotions **shuffled** among them, which lie where
# stories differ. On average they *lower* feeling words a little, and single ones move a word by 1 or 2 either way. A
# push of any kind does something. For most of the twelve words the own direction does more than all 25; for the others
# one of these does as much.
#
# This is still a narrow test. Part of it may be the lens of chapter 03: a direction that simply *spells* its word at the
# output. Does the push change what the text is *about*?
#
# ## Whole texts: what a push costs
#
# Before we count what it does, we need its price. A push that turns the text into noise will also move any meter of
# valence. The price that everyone uses is **perplexity**: between how many tokens, on average, would the *unsteered*
# model have had to choose at each step of this text? Low for text that it finds natural, high for odd text.

# %% [markdown]
# {{exercise 6.5}}
#
# Write `price(subject, prompt, text)`: exp of the mean of −log p over the tokens of `text`, given the prompt and the
# tokens before. The ids are those of `prompt + text`, as they stand.
#
# <details><summary>Hint 1</summary>
# Tokenize `prompt + text` and count the prompt's tokens, n. The logits at token i say what comes at token i + 1: so you
# need those from n − 1 to the last but one.
# </details>
# <details><summary>Hint 2</summary>
# `logits.log_softmax(dim=-1)`, then pick for each place its own token: `logs[range(n - 1, len(ids) - 1), ids[n:]]`.
# Mean, minus, exp.
# </details>

# %%
def price(subject, prompt, text):
    """The perplexity of a text after its prompt, by the model as it stands: one number."""
    ### BEGIN SOLUTION
    n = len(subject.tokenizer(prompt)["input_ids"])
    ids = subject.tokenizer(prompt + text)["input_ids"]
    with torch.inference_mode():
        logits = subject.hf(torch.tensor([ids], device=subject.device)).logits[0].float()
    own = logits.log_softmax(dim=-1)[range(n - 1, len(ids) - 1), ids[n:]]
    return (-own.mean()).exp().item()
    ### END SOLUTION


price = check("6.5", price, subject)

# %% [markdown]
# **Predict** how the price rises with strength, for two emotions and a random direction. Will the text break suddenly or
# slowly, and how does it look when it does?

# %%
text = generate(subject, prompt, 28)
print(f"unsteered     price {price(subject, prompt, text):>5.1f} {text[:80]!r}")
for direction in (happy, vectors.direction("calm", layer), random_directions(happy, 1)[0]):
    for strength in (0.3, 0.45, 0.9):
        with steer(subject, direction, strength):
            text = generate(subject, prompt, 28)
        print(f"{direction.name:>8} {strength:<4} price {price(subject, prompt, text):>5.1f} {text[:80]!r}")

# %% [markdown]
# The text does not fall silent; it breaks: the same phrase over and over, words that are none, pieces of words. *Happy*
# loops already at 0.45, where it costs *less* than at 0.3. **A loop can be cheap**: once it has begun, each next token
# is easy to foresee, and even "the the the" of *calm* at 0.9 costs little. Other loops are dear, if the pieces are odd
# ones. So the price alone says neither that a text is good nor how it broke, and two more meters stand beside it from
# here on: the share of different word pairs (`distinct`), and the share of runs of four words that have been there
# before (`repeated`).
#
# ## Dose and response
#
# Now the experiment: several strengths, one of them backwards; sampled texts of 20 tokens after eight openings. Every
# text is then read again by the *unsteered* model, and judged in three ways. The first two use the model itself, and
# the axis of the second is made from the same stories as the directions; only the third is independent of both:
#
# - `odds`: after "All in all, it was", pleasant words against unpleasant ones, none of them an emotion of this course;
# - `projection`: the text's own residuals, at **another layer**, on the ridge axis for human valence;
# - `lexicon`: VADER (Hutto & Gilbert 2014), a list of rated words, in which the model plays no part.
#
# **Predict** what *happy* and *afraid* will do to each. It takes a quarter of a minute.

# %%
from emovec_lite import dose_response

judged_at = subject.layer_at(5 / 6)
measures = ["odds", "projection", "lexicon", "perplexity", "distinct", "repeated"]
table = dose_response(subject, vectors, {"emotion": [happy, afraid]}, (-0.25, 0.1, 0.25, 0.4), judged_at)
print(table.groupby(["direction", "strength"], sort=False)[measures].mean().round(2).to_string())

# %%
from emovec_lite.plots import dose_panels

show(dose_panels(table, "lexicon", ylabel="VADER, −1 to 1", title="Eight texts for each dot"))

# %% [markdown]
# A tendency, and bars (95 % intervals of the mean) so long that one could tell many stories. Eight texts are not
# enough, and there is no control yet. So we ran the same function once for longer, on the default model: 24 texts for
# each dot, six emotions, and at **every** strength three kinds of control: 20 random directions, 5 from shuffled
# labels, and the **mean of all stories**, which the recipe takes off. The table comes with the course (`python -m
# emovec_lite.steering` makes it again) and stays the default model's, whichever one you have loaded.
#
# **Predict:** which of the six emotions will leave the cloud of controls? Will *sad*?

# %%
from emovec_lite.steering import shipped_doses

doses = shipped_doses()
print(len(doses), "texts;", ", ".join(f"{n} {kind}" for kind, n in doses.groupby("kind").direction.nunique().items()))
show(dose_panels(doses, "lexicon", ylabel="VADER, −1 to 1", title="Valence of what is written, by a lexicon"))

# %%
show(dose_panels(doses, "projection", ylabel="predicted valence", title="Valence as the model reads it, five sixths up"))

# %%
show(dose_panels(doses, "perplexity", ylabel="perplexity", title="What it costs"))
for text in doses[(doses.direction == "happy") & (doses.strength == 0.4)].text.iloc[:3]:
    print(repr(text))

# %% [markdown]
# One table instead of eighteen panels, at one strength, 0.25, that of chapter 00 and of the odds above, so that we do
# not choose the best of four. Of the 26 controls, how many lie as far out as the emotion, or further, on the side to
# which it should go?

# %%
import pandas

sides = {"happy": 1, "grateful": 1, "calm": 1, "sad": -1, "afraid": -1, "angry": -1}
judges = ["odds", "projection", "lexicon"]
at = doses[doses.strength == 0.25].groupby(["kind", "direction"])[measures].mean()
controls = at.drop("emotion")[judges]
beyond = {name: ((controls - at.loc["emotion"].loc[name, judges]) * side >= 0).sum() for name, side in sides.items()}
print(f"of {len(controls)} controls, as far out or further\n{pandas.DataFrame(beyond).T.to_string()}\n")
print(at.drop("emotion").groupby("kind").agg(["min", "max"])[["perplexity", "distinct", "repeated"]].round(2).to_string())
print(at.loc["emotion"][["perplexity", "distinct", "repeated"]].round(2).to_string())

# %% [markdown]
# Read it row by row. **Happy** and **angry** lie beyond all 26 controls for all three judges; **calm** nearly so.
# *Afraid* does by the odds and, but for one control, by the lexicon, and not by the projection. **Sad** and
# **grateful** do not go where they should: *sad* is, by the lexicon, more pleasant than nearly all the controls, and
# *grateful* lowers the valence that the model itself reads below *all* of them.
#
# How much is that? The three judges of a row read the same texts, so count rows, not cells: by luck a row is all zeros
# at most once in 27, which would make 0.2 of six rows, and two are. One cell is as extreme on the wrong side. And most
# controls are random; of the stricter kind, the shuffled labels, there are only five, and to lie beyond all five says
# no more than p = 1/6.
#
# Without controls one would have gone wrong: at 0.25 unsteered text is *more* pleasant, by lexicon and projection, than
# text under nearly all of the controls. Compared with it alone, most directions seem to lower valence.
#
# Now the price, in the third figure. At 0.25 all but *calm* cost about what the controls cost. Backwards, *afraid*,
# *sad*, *grateful* and, barely, *calm* cost more than any control does. At 0.4 *happy*, *calm*, *afraid* and *angry*
# cost more than every control: the stronger effect on valence there is paid for, though the three texts of *happy* at
# 0.4 that you saw are odd rather than broken.
#
# One doubt is left. A text can *say* "happy", and a text can tell of happy things. Does the lexicon hear anything but
# the word?

# %%
from emovec_lite.stories import leaks

for name, side in sides.items():
    own = doses[(doses.direction == name) & (doses.strength == 0.25)]
    silent = own[[leaks(name).search(text) is None for text in own.text]]
    further = ((controls.lexicon - silent.lexicon.mean()) * side >= 0).sum()
    print(f"{name:>8}: {len(own) - len(silent)} of {len(own)} texts say it or a near-synonym; the others' lexicon score "
          f"{silent.lexicon.mean():+.2f}, controls as far out: {further}")  # fmt: skip

# %% [markdown]
# Few texts say it, and without them the picture is the same. What the lexicon hears in *happy* and *angry* is more than
# the word.
#
# ## Which layer, and how hard?
#
# "Which layers, what strength?" is what people ask first about every steering library. The answer need not carry over,
# not even between the layers of one model. `calibrate` looks for it: for each layer the largest strength at which one
# neutral passage is at most half again as perplexing to the *steered* model (`bound=1.5`; another price than the one
# above, and quicker to measure); and then how far the texts written at that strength have moved towards the emotion
# when they are read again without steering, at the layer of this course.
#
# **Predict:** early, middle or late?

# %%
from emovec_lite import calibrate

found = calibrate(subject, vectors, "happy", layers=sorted({subject.n_layers // 3, layer, subject.n_layers - 1}))
print(found.table.round(2).to_string(index=False))
print(f"best: layer {found.direction.layer}, strength {found.strength}")

# %% [markdown]
# At one third of the depth the same price buys least. The rest is a hint where to look, no more: eight texts and one
# passage a layer, no controls, and the effect is read along the very direction with which one of the rows steers. (The
# layer of this course, two thirds up, was fixed before any of this was run.) Note that 0.25, the strength used above,
# is a little beyond this bound.
#
# ## Backwards, and in between
#
# Directions can be combined. All the emotions together give two axes, by weighting each emotion's vector with people's
# ratings: one for valence, one for arousal (what is left of it beyond valence). Then there is a direction for every
# point of the compass, also where no word stands.

# %% [markdown]
# {{exercise 6.6}}
#
# Write `compass(rows, valence, arousal, degrees)`: a unit vector in the plane of the two axes. `rows` holds the
# emotions' vectors (emotion, d_model), `valence` and `arousal` a weight for each emotion. At 0 degrees it points along
# `valence @ rows`; at 90 degrees along what is left of `arousal @ rows` when its part along the valence axis is taken
# out. All three are tensors, to be taken as they are (not centred), and so is what you return.
#
# <details><summary>Hint 1</summary>
# Make the valence axis unit length first. Then the part of `up` along it is `(up @ right) * right`.
# </details>
# <details><summary>Hint 2</summary>
# `math.cos(a) * right + math.sin(a) * up`, both unit length, with `a = math.radians(degrees)`.
# </details>

# %%
import math


def compass(rows, valence, arousal, degrees):
    """The unit vector at this angle in the plane of valence (0 degrees) and arousal (90): (d_model,)."""
    ### BEGIN SOLUTION
    right, up = valence @ rows, arousal @ rows
    right = right / right.norm()
    up = up - (up @ right) * right
    up = up / up.norm()
    angle = math.radians(degrees)
    return math.cos(angle) * right + math.sin(angle) * up
    ### END SOLUTION


compass = check("6.6", compass)

# %% [markdown]
# Now a test that could fail. People's ratings put every word at some angle of that plane. We steer in twelve directions
# round the compass and ask for each word where the centre of its twelve changes lies: each direction weighted by how
# much it raises the word, beyond what it does to all words. (Of a word of several tokens we watch the first.) If the
# plane means anything to the model, the two angles should agree.
#
# But careful: the axes are *made* from these emotions and these ratings. So we hold out: the axes come from one half of
# the emotions, the words that we look at from the other half, and then the other way round.
#
# **Predict** the average error. Chance is 90 degrees.

# %%
from dataclasses import replace

from emovec_lite import ratings
from emovec_lite.geometry import residual
from emovec_lite.steering import word_odds

human = ratings(vectors.emotions, "valence")
weights = np.stack([human - human.mean(), residual(ratings(vectors.emotions, "arousal"), human)])
weights = torch.tensor(weights / weights.std(axis=1, keepdims=True)).float()
angles, plain = np.arange(0, 360, 30), word_odds(subject, vectors.emotions)


def raised(rows):
    """For each word the angle of steering that raises it most, with axes from these emotions."""
    changes = []
    for angle in angles:
        vector = compass(vectors.at(layer)[rows], *weights[:, rows], float(angle))
        with steer(subject, replace(happy, name=f"{angle} degrees", vector=vector), 0.25):
            changes.append(word_odds(subject, vectors.emotions) - plain)
    changes = np.array(changes) - np.mean(changes, axis=1, keepdims=True)  # what all words share is no direction
    return np.angle(np.exp(1j * np.radians(angles)) @ changes, deg=True) % 360


# %%
from emovec_lite.plots import compass_plot

everyone = np.arange(len(vectors.emotions))
halves = everyone[::2], everyone[1::2]
by_people = np.degrees(np.arctan2(*weights.flip(0).numpy())) % 360
by_model = np.empty(len(everyone))
by_model[halves[1]], by_model[halves[0]] = raised(halves[0])[halves[1]], raised(halves[1])[halves[0]]


def error(angles_of_people):
    return np.abs((by_model - angles_of_people + 180) % 360 - 180).mean(axis=-1)


shuffled = max_corrected_null(lambda rows: -error(rows)[:, None], by_people)
print(f"average error {error(by_people):.0f} degrees; shuffled {-np.mean(shuffled):.0f}, "
      f"p = {permutation_p(-error(by_people), shuffled):.4f}")  # fmt: skip
show(compass_plot(list(vectors.emotions), by_people, by_model, title="Words round the compass, axes from the other half"))

# %% [markdown]
# Far better than shuffled. Has the model a compass, then? One more control: suppose steering knew *nothing* of arousal,
# and only which side a word is on. **Predict** its average error.

# %%
from emovec_lite.geometry import correlations

two_sided = np.where(np.cos(np.radians(by_people)) > 0, 0, 180)
away = np.abs((two_sided - by_people + 180) % 360 - 180).mean()
print(f"right side always, arousal never: {away:.0f} degrees")
for axis, part in {"left and right": np.cos, "up and down": np.sin}.items():
    ours, theirs = part(np.radians(by_model)), part(np.radians(by_people))
    null = max_corrected_null(lambda rows, ours=ours: correlations(ours[None], rows)[:, None], theirs)
    r = correlations(ours, theirs)
    print(f"{axis}: r = {r:.2f}, p = {permutation_p(r, null):.4f}")

# %% [markdown]
# So the small error is no evidence of arousal at all: a model that knows the two sides and nothing else would do as
# well. Taken apart, both axes are there: left and right strongly, up and down weakly. *A summary can be good for
# another reason than the one you have in mind.*
#
# A direction can also be subtracted. **Predict:** is *minus afraid* the same as *calm*?

# %%
signed = {f"{s:+.0f} {name}": s * vectors.direction(name, layer) for name in ("afraid", "calm") for s in (1, -1)}
rows = odds_matrix(subject, list(signed.values()), names, strength=0.25)
show(odds_map(rows, [name.removeprefix("+1 ") for name in signed], names, title="Forwards and backwards"))
for name in ("-1 afraid", "+1 calm"):
    with steer(subject, signed[name], 0.25):
        print(f"{name}: {prompt}{generate(subject, prompt, 30)!r}")

# %% [markdown]
# *Minus afraid* is not *calm*: it raises *happy*, about as much as the luckiest of the 25 pushes did, and *lowers*
# *calm*. The reverse of what afraid stories have is not the vector of its opposite. *Minus calm* lowers *calm* and
# *peaceful*, but raises no unrest: *angry* and *afraid* stay where they are.
#
# ## By hand
#
# Enough of tables. Choose an emotion (or two: their sum, here made length 1 again, so that the strength stays what the
# slider says), a layer, a strength, and write a prompt of your own. Left the steered text, right the unsteered; below,
# what each would cost. **Look for:** an emotion that works where the odds say it should not; the strength at which it
# breaks; what strength −0.3 does. (In Colab, stop with the interrupt button.)

# %%
from emovec_lite.widgets import steering_panel

steering_panel(subject, vectors, layer)

# %% [markdown]
# The same, fixed, for pages on which no widget runs:

# %%
opening = "On the first day of the holidays, the children"
for direction in (happy, afraid, happy + afraid, random_directions(happy, 1)[0]):
    with steer(subject, direction.unit(), 0.25):
        text = generate(subject, opening, 24)
    print(f"{direction.name:>14} ({price(subject, opening, text):4.1f}): {text!r}")

# %% [markdown]
# *Happy + afraid* is neither happy nor afraid here: a sum need not do both. (One text each; no test.)
#
# Next, the compass under your finger. Drag the point, or move it with the arrow keys: its distance from the centre is
# the strength, and when you let go, the model goes on from the prompt. The emotions stand where chapter 04 put them.

# %%
from emovec_lite.widgets import circumplex_pad

circumplex_pad(subject, vectors, layer)

# %%
from emovec_lite.steering import plane_direction, sampled

for valence, arousal in ((1, 0), (0, 1), (-1, 0), (0, -1)):
    with steer(subject, plane_direction(vectors, layer, valence, arousal), 0.3):
        (text,) = sampled(subject, [prompt], [0], 20)
    print(f"valence {valence:+d}, arousal {arousal:+d}: {text!r}")

# %% [markdown]
# One sample each, and no control: valence shows, arousal does not, and upwards the text breaks. That fits the weak
# second axis above.
#
# And the other way round: not what a direction does to a text, but what a text does along a direction. Each token is
# coloured by its projection; hover to see the number. The first token is left out, for the reason that you saw in
# chapter 01.
#
# **Predict**, for a sentence whose mood turns in the middle, where the colour changes: at the word, or after it?

# %%
from emovec_lite.widgets import token_heat_map

sentence = "We danced all evening and sang on the way home. Then the phone rang: there had been an accident."
token_heat_map(subject, vectors, sentence, "happy", layer)

# %%
from emovec_lite.evaluation import token_projections

tokens, first = token_projections(subject, vectors, sentence, "happy", layer)
_, second = token_projections(subject, vectors, sentence, "afraid", layer)
show(curves(
    tokens[1:], {"happy": list(first[1:]), "afraid": list(second[1:])}, xlabel="token",
    ylabel="projection (% of the mean norm)", title=f"Two directions along a sentence, layer {layer}",
))  # fmt: skip

# %% [markdown]
# *Happy* falls before the turn, at the full stop, and *afraid* rises at "phone", before anything has happened; at
# "accident" only a little. So neither waits for the word. But *afraid* stands as high at "danced": the value of a
# single token may mean nothing. One sentence is an example, not a test.
#
# ## Asked how it feels
#
# One more look, and a warning. This model was trained to chat. Ask it how it feels, steered and unsteered.

# %%
from emovec_lite.generation import write

question = [subject.chat("How do you feel today?")]
for direction, strength in ((happy, 0.0), (happy, 0.2), (afraid, 0.2), (random_directions(happy, 1)[0], 0.2)):
    with steer(subject, direction, strength):
        print(f"{direction.name} {strength}: {write(subject, question, 24)[0]!r}")

# %% [markdown]
# It says that it feels optimistic without any push, nearly the same under a random one, and that it is glad, or
# overwhelmed, under the others. All of these are text that was likely at that point; the push made other text likely.
# If the first is no report of a feeling, then the others are not either. A model trained to deny feelings might well
# deny them: training, too, makes some text likely. What these four answers show is that a direction made from stories
# can reach the words of an answer.
#
# ## On another model
#
# All chapters run on another model by one name: set `EMOVEC_MODEL` before the first cell, for example to `gemma-3-270m`
# on a laptop, or to `qwen3-1.7b` on a GPU with the internet within reach; a hub's id or a folder will do, too. The model
# then reads the 576 stories, in chapter 05 also the 288 that the default one wrote, and its vectors are kept. Layers follow
# by themselves, at the same share of the depth. The long table of doses stays the default model's, and so does what the
# text says of numbers and outputs: with another model it is a prediction, and you can see where it fails.
#
# ## Take away
#
# - Count strength in **mean residual norms**, or it means nothing elsewhere.
# - An edit inside `generate` applies to **one pass**, unless you loop.
# - A push of any kind does something. The claim is about **where to**: own word against others, emotion against random
#   directions and shuffled labels.
# - Weigh every effect against its **price**, and remember that a loop can be cheap.
# - A summary can be good for the wrong reason: take it apart.
# - A steered model that says "I am so glad" shows that the direction reaches the words. It shows nothing about feeling.
#
# ## Three questions

# %%
quiz("06")

# %% [markdown]
# ## Read on
#
# Sofroniew et al. 2026: the sections on steering, for what a larger model does under pushes of 0.05 to 0.5 (in the same
# unit). Rimsky et al. 2024, *Steering Llama 2 via Contrastive Activation Addition*, arXiv 2312.06681, for the method
# with other directions. Hutto & Gilbert 2014, *VADER*, for what a lexicon can and cannot hear.

# %%
progress()
