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
# - measure what the push does to single words, beside 200 random directions and directions from shuffled labels;
# - build a compass of feeling words, and find out how much of it is real;
# - steer by hand: a panel, a pad, and a text coloured by what it evokes.
#
# What a push does to whole texts, and what it costs, is chapter 07.
#
# **You need** chapters 01 and 02; 03 for the p-value; 04 for valence and arousal. 75 minutes. The cells take
# {{measured}} of memory on two cores, without a GPU.
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
# how *much* of it? Papers and blog posts name coefficients: 4, 10, 300. Without a unit such a number says nothing.
# Here is how long residuals are on average, layer by layer.
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
# The same vector is a tenth of a residual at the first layer and not half a hundredth at the last, and between models
# lengths differ as well. So this course counts, as Sofroniew et al. 2026 do, in **fractions of the mean residual
# norm**: strength 0.25 is a push a quarter as long as the residuals at that layer.

# %% [markdown]
# {{exercise 6.1}}
#
# Write `push(direction, strength)`: the vector to add, a tensor. A `Direction` has a `.vector` (of length 1, unless
# you have added or scaled directions) and the mean norm at its layer, `.residual_norm`. A strength may be negative,
# or above 1.
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
# The edit was made in the *first* pass only, over the prompt, and nnsight says nothing about it. Still the text
# becomes another after a few words: the first new token comes from the edited pass, and every later one reads that
# token, and the edited prompt in the model's cache, though nothing is added any more. It is the commonest way to
# steer less than one thinks. To edit every pass, loop over the steps:
#
# ```python
# for _ in tracer.iter[:steps]:
#     ...
# ```
#
# Two traps. Nothing written *after* an open-ended `tracer.iter[:]` ever runs. And a model that ends its text early
# ends the loop, and what follows it, too: hence `min_new_tokens`.

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
# For everything else in this chapter we want a tool that works around any code: reading, generating, a widget. A
# context manager does that. Python runs what stands before `yield`, then the body of the `with`, then what stands
# after:
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
# Write `adding(subject, layer, vector)`, so that inside `with adding(…):` the vector is added to whatever block
# `layer` puts out, in every pass, and afterwards the model is what it was, even if the body fails. Before the `with`
# begins nothing is added: to call `adding` is not yet to enter it.
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
# The library's `steer` is the same idea with the unit built in, a choice of positions, and a lock, so that two
# threads do not steer each other. Three ways now, and they should agree *letter for letter*.

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
# What does a push *do*? First the smallest thing that one can measure. After "He feels" and three prompts like it,
# how do the **log odds** of an emotion's word change when its own vector is added, and when another's is? (Odds are p
# / (1 − p); a change of +1 in their logarithm makes them about 2.7 times as large.) For twelve emotions, chosen
# before we looked, that gives a matrix: a row for each direction, a column for each word.
#
# **Predict:** in how many rows is the own word the one that gains most?

# %%
from emovec_lite.plots import odds_map
from emovec_lite.effects import odds_matrix

names = [
    "afraid", "angry", "bored", "calm", "excited", "grateful", "happy", "lonely", "peaceful", "proud", "sad", "tired",
]  # fmt: skip
directions = [vectors.direction(name, layer) for name in names]
matrix = odds_matrix(subject, directions, names, strength=0.25)
show(odds_map(matrix, names, names, title=f"Steering at layer {layer}, strength 0.25"))

# %% [markdown]
# In 10 of the 12 rows the own word gains most. The other two go to a neighbour: *calm* raises *peaceful* by a hair
# more, *sad* raises *lonely*. Beside the diagonal there is order, too: *happy* raises the other five pleasant words
# and lowers the six unpleasant ones. But not every row is so tidy: *lonely* raises *peaceful*, and *afraid* raises
# *angry*.
#
# To say how strong the diagonal is, one number: own words against all the others. And to say what chance would give,
# the same number for other **orders**: pretend that row *i* belongs to the word `order[i]`.

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
from emovec_lite.nulls import permutation_p

rng, own = np.random.default_rng(0), np.diag(matrix)
gap = diagonal_gap(matrix, np.arange(len(names)))
null = np.array([diagonal_gap(matrix, rng.permutation(len(names))) for _ in range(2000)])
print(f"own {own.mean():+.2f}, others {own.mean() - gap:+.2f}, gap {gap:.2f}; "
      f"the best of 2,000 orders {null.max():.2f}, p = {permutation_p(gap, null):.4f}")  # fmt: skip

# %% [markdown]
# None of 2,000 orders comes near the gap, so p is the smallest that 2,000 orders allow. The words do belong to
# *these* directions. But that is a statement about all twelve at once, and it compares emotions with each other. What
# would a push do that means nothing?
#
# **Predict:** two hundred random directions, as long as *happy*, push as hard. How often does one of them raise a
# word more than the word's own direction does?

# %%
from emovec_lite import load_corpus
from emovec_lite.controls import shuffled_label_directions
from emovec_lite.plots import dots

pushes = [*random_directions(happy, 200), *shuffled_label_directions(vectors, load_corpus(), happy, 20)]
chance = odds_matrix(subject, pushes, names, strength=0.25)
print(f"random directions {chance[:200].mean():+.2f}, shuffled labels {chance[200:].mean():+.2f} on average")
for name, gain, by_chance in zip(names, own, chance.T):
    random, shuffled = (by_chance[:200] >= gain).sum(), (by_chance[200:] >= gain).sum()
    p = (1 + random) / 201
    print(f"{name:>9} {gain:+.2f}: {random:>3} of 200 random (p = {p:.3f}), {shuffled} of 20 shuffled")

# %%
show(dots(
    names, {"own direction": own}, null=chance.T, null_label="200 random, 20 shuffled labels",
    xlabel="change in log odds of the word", title="Each word under its own direction",
))  # fmt: skip

# %% [markdown]
# A push of any kind does something. On average those that mean nothing *lower* feeling words a little, and the
# luckiest of them raise a word by more than 2. So look word by word. For nine of the twelve none of 200 random
# directions does as much as the own one; for *tired* one does, for *angry* three. *Sad* is raised as much by 11 of
# 200, which is p = 0.06: had you tried only *sad*, you would have shown nothing.
#
# The shuffled labels are another kind of control: directions that the recipe makes of the same stories when the
# emotions are dealt out anew among them. They lie where stories differ, and some of them raise *grateful* and *angry*
# as much as the own direction does. Twenty of them allow no p below 1 in 21, though.
#
# This is still a narrow test. Part of it may be the lens of chapter 03: a direction that simply *spells* its word at
# the output. Whether a push changes what a whole text is about is a question for chapter 07.
#
# ## Backwards, and in between
#
# Directions can be combined. All the emotions together give two axes, by weighting each emotion's vector with
# people's ratings: one for valence, one for arousal (what is left of it beyond valence). Then there is a direction
# for every point of the compass, also where no word stands.

# %% [markdown]
# {{exercise 6.5}}
#
# Write `compass(rows, valence, arousal, degrees)`: a unit vector in the plane of the two axes. `rows` holds the
# emotions' vectors (emotion, d_model), `valence` and `arousal` a weight for each emotion. At 0 degrees it points
# along `valence @ rows`; at 90 degrees along what is left of `arousal @ rows` when its part along the valence axis is
# taken out. All three are tensors, to be taken as they are (not centred), and so is what you return.
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


compass = check("6.5", compass)

# %% [markdown]
# Now a test that could fail. People's ratings put every word at some angle of that plane. We steer in eight
# directions round the compass and ask for each word where the centre of its eight changes lies: each direction
# weighted by how much it raises the word, beyond what it does to all words. (Of a word of several tokens we watch the
# first.) If the plane means anything to the model, the two angles should agree.
#
# But careful: the axes are *made* from these emotions and these ratings. So we hold out: the axes come from one half
# of the emotions, the words that we look at from the other half, and then the other way round.
#
# **Predict** the average error. Chance is 90 degrees.

# %%
from dataclasses import replace

from emovec_lite import ratings
from emovec_lite.geometry import residual
from emovec_lite.effects import word_odds

human = ratings(vectors.emotions, "valence")
weights = np.stack([human - human.mean(), residual(ratings(vectors.emotions, "arousal"), human)])
weights = torch.tensor(weights / weights.std(axis=1, keepdims=True)).float()
angles, plain = np.arange(0, 360, 45), word_odds(subject, vectors.emotions)


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

by_people = np.degrees(np.arctan2(*weights.flip(0).numpy())) % 360


def angles_by_model(order):
    """The angle of every word, with axes from the other half when the emotions are halved in this order."""
    halves, found = (np.sort(order[::2]), np.sort(order[1::2])), np.empty(len(order))
    for rows, others in (halves, halves[::-1]):
        found[others] = raised(rows)[others]
    return found


def error(ours, theirs):
    return np.abs((ours - theirs + 180) % 360 - 180).mean()


by_model = angles_by_model(np.arange(len(vectors.emotions)))
shuffled = np.array([error(by_model, rng.permutation(by_people)) for _ in range(2000)])
print(f"average error {error(by_model, by_people):.0f} degrees; shuffled {shuffled.mean():.0f}, "
      f"the best of 2,000 {shuffled.min():.0f}")  # fmt: skip
show(compass_plot(list(vectors.emotions), by_people, by_model, title="Words round the compass"))

# %% [markdown]
# Far better than the best of 2,000 shuffles. Has the model a compass, then? Two more looks. Suppose steering knew
# *nothing* of arousal, and only which side a word is on: **predict** that error. And the halves were one way to halve
# 48 emotions; here are three others.

# %%
from emovec_lite.geometry import correlations

two_sided = np.where(np.cos(np.radians(by_people)) > 0, 0, 180)
print(f"right side always, arousal never: {error(two_sided, by_people):.0f} degrees\n")
for i in range(4):
    ours = angles_by_model(rng.permutation(len(by_people))) if i else by_model
    across, along = (correlations(part(np.radians(ours)), part(np.radians(by_people))) for part in (np.cos, np.sin))
    print(f"halves {i}: {error(ours, by_people):.0f} degrees; across r = {across:.2f}, up and down r = {along:.2f}")
up = np.sin(np.radians(by_people))
by_chance = correlations(np.sin(np.radians(ours)), rng.permuted(np.tile(up, (2000, 1)), axis=1))
print(f"\nup and down, the last halves, p = {permutation_p(along, by_chance):.4f}")

# %% [markdown]
# So the average by itself says little: one axis earns most of it, and with some halves the error is hardly or not at
# all below that of a model that knows only the side. Taken apart, both axes are there: left and right follow people's
# ratings closely, up and down more loosely, in all four halvings, and for the last one no shuffle in 2,000 does as
# well. A compass, then, whose needle is firm in valence and looser in arousal.
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
# *Minus afraid* is not *calm*. It raises *happy* about as much as *peaceful*, and *calm* itself less than half as
# much as those: it pushes mostly to the pleasant side, and not to a particular word there. The reverse of what afraid
# stories have is not the vector of its opposite. *Minus calm* lowers every word of the twelve, *angry* and *afraid*
# among them, though these two least.
#
# ## By hand
#
# Enough of tables. Choose an emotion (or two: their sum, here made length 1 again, so that the strength stays what
# the slider says), a layer, a strength, and write a prompt of your own. Left the steered text, right the unsteered.
# Both are *sampled*, with the same random numbers: the seed says which, so that the same settings give the same
# texts, and another seed another pair. (The cells above took the likeliest token each time; the panel does so when
# you set *tokens* to greedy.) Below, two meters that chapter 07 explains: how odd the texts are, and how much in them
# is repeated.
#
# **Look for:** whether what you see at seed 0 is still there at seeds 1 and 2; the strength at which a text breaks;
# what strength −0.3 does. (In Colab, stop with the interrupt button.)

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
    print(f"{direction.name:>14}: {text!r}")

# %% [markdown]
# *Happy + afraid* tells of magical times, and nothing of fear: a sum need not do both. (One text each; no test.)
#
# Next, the compass under your finger. Drag the point, or move it with the arrow keys: its distance from the centre is
# the strength, and when you let go, the model goes on from the prompt. The emotions stand where chapter 04 put them.

# %%
from emovec_lite.widgets import circumplex_pad

circumplex_pad(subject, vectors, layer)

# %%
from emovec_lite.effects import sampled
from emovec_lite.steering import plane_direction

for valence, arousal in ((1, 0), (0, 1), (-1, 0), (0, -1)):
    with steer(subject, plane_direction(vectors, layer, valence, arousal), 0.3):
        (text,) = sampled(subject, [prompt], [0], 20)
    print(f"valence {valence:+d}, arousal {arousal:+d}: {text!r}")

# %% [markdown]
# One sample each, and no control: something to look at, not to conclude from.
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
from emovec_lite.readout import token_projections

tokens, first = token_projections(subject, vectors, sentence, "happy", layer)
_, second = token_projections(subject, vectors, sentence, "afraid", layer)
show(curves(
    tokens[1:], {"happy": list(first[1:]), "afraid": list(second[1:])}, xlabel="token",
    ylabel="projection (% of the mean norm)", title=f"Two directions along a sentence, layer {layer}",
))  # fmt: skip

# %% [markdown]
# *Happy* is high in the first sentence, highest at "sang". It is low at "Then", before anything has happened, and
# below 0 from the colon on, before the accident is named. *Afraid* is below 0 in the first sentence, and highest at
# "phone", not at "accident". So *happy* does not wait for the word; *afraid* hardly moves at all (3 % at most). And
# the curves jump from token to token, and one sentence is an example, not a test.
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
# It says that it feels optimistic without any push, and nearly the same under a random one; that it is so glad under
# *happy*, and that it is running too fast under *afraid*. All of these are text that was likely at that point; the
# push made other text likely. If the first is no report of a feeling, then the others are not either. A model trained
# to deny feelings might well deny them: training, too, makes some text likely. What these four answers suggest is
# that a direction made from stories can reach the words of an answer.
#
# ## On another model
#
# All chapters run on another model by one name: set `EMOVEC_MODEL` before the first cell, for example to
# `gemma-3-270m` on a laptop, or to `qwen3-1.7b` on a GPU with the internet within reach; a hub's id or a folder will
# do, too. The model then reads the 576 stories, in chapter 05 also the 288 that the default one wrote, and its
# vectors are kept. Layers follow by themselves, at the same share of the depth. Chapter 07's long table of doses
# stays the default model's, and so does what the text says of numbers and outputs: with another model it is a
# prediction, and you can see where it fails.

# %% [markdown]
# ## Take away
#
# - Count strength in **mean residual norms**, or it means nothing elsewhere.
# - An edit inside `generate` applies to **one pass**, unless you loop.
# - A push of any kind does something. The claim is about **where to**: own word against others, and against many
#   directions that mean nothing. Twenty are not many.
# - A summary can be good for the wrong reason: take it apart, and try it on more than one split.
# - Minus a direction is not the direction of the opposite.
# - A steered model that says "I am so glad" shows that the direction reaches the words. It shows nothing about
#   feeling.
#
# ## Three questions

# %%
quiz("06")

# %% [markdown]
# ## Read on
#
# Turner et al. 2023, *Steering Language Models With Activation Engineering*, arXiv 2308.10248: a push from a single
# pair of prompts. Rimsky et al. 2024, *Steering Llama 2 via Contrastive Activation Addition*, arXiv 2312.06681: from
# many pairs. Sofroniew et al. 2026: the sections on steering, for what a larger model does (in the same unit).

# %%
progress()
