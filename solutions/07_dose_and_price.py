# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 07 · Dose and price
#
# {{badges}}
#
# **You will**
#
# - measure what a push costs, and see why one meter of it is not enough;
# - read dose and response beside 26 controls, and say how sure that makes you;
# - find the largest strength that a price allows;
# - take a direction *out*, and see what the model did with it.
#
# **You need** chapter 06. 60 minutes. The cells take {{measured}} of memory on two cores, without a GPU.
#
# {{box}}

# %%
# setup

# %%
import torch

from emovec_lite import ablate, generate, load_or_compute, random_directions, show, steer
from emovec_lite.course import check, progress, quiz

vectors, layer = load_or_compute(subject), subject.main_layer
prompt = "The bus broke down, and she"
happy, afraid = vectors.direction("happy", layer), vectors.direction("afraid", layer)

# %% [markdown]
# ## What a push costs
#
# A push that turns the text into noise will also move any meter of valence. So its price comes first. The price that
# everyone uses is **perplexity**: between how many tokens, on average, would the *unsteered* model have had to choose
# at each step of this text? Low for text that it finds natural, high for odd text.

# %% [markdown]
# {{exercise 7.1}}
#
# Write `price(subject, prompt, text)`: exp of the mean of −log p over the tokens of `text`, given the prompt and the
# tokens before. The ids are those of `prompt + text`, as they stand.
#
# <details><summary>Hint 1</summary>
# Tokenize `prompt + text` and count the prompt's tokens, n. The logits at token i say what comes at token i + 1: so
# you need those from n − 1 to the last but one.
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


price = check("7.1", price, subject)

# %% [markdown]
# **Predict** how the price rises with strength, for an emotion and for a random direction. Will the text break
# suddenly or slowly, and how does it look when it does?

# %%
from emovec_lite.effects import repetition
from emovec_lite.stories import words_of

for direction in (happy, random_directions(happy, 1)[0]):
    for strength in (0.0, 0.25, 0.45, 0.9):
        with steer(subject, direction, strength):
            text = generate(subject, prompt, 28)
        print(f"{direction.name:>8} {strength:<4} price {price(subject, prompt, text):>6.1f}  repeated "
              f"{repetition(words_of(text), 4):.2f}  {text[:70]!r}")  # fmt: skip
loop = " had to find a way." * 6
print(f"by hand: price {price(subject, prompt, loop):.1f}, repeated {repetition(words_of(loop), 4):.2f}, {loop[:40]!r}")

# %% [markdown]
# The text does not fall silent; it breaks, and not always in the same way: one becomes odd, another one stammers. The
# last line is a loop written by hand, and **a loop can be cheap**: once it has begun, each next token is easy to
# foresee. So the price alone says neither that a text is good nor how it broke, and two more meters stand beside it
# from here on: the share of different word pairs (`distinct`), and the share of runs of four words that have been
# there before (`repeated`).
#
# ## Dose and response
#
# Now the experiment: several strengths, one of them backwards; sampled texts of 20 tokens after eight openings. Every
# text is then read again by the *unsteered* model, and judged in three ways. The first two use the model itself, and
# the axis of the second is made from the same stories as the directions; only the third is independent of both:
#
# - `odds`: after "All in all, it was", pleasant words against unpleasant ones, none of them an emotion of this
#   course;
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
# emovec_lite.effects` makes it again) and stays the default model's, whichever one you have loaded.
#
# **Predict:** which of the six emotions will leave the cloud of controls?

# %%
from emovec_lite.effects import shipped_doses

doses = shipped_doses()
print(len(doses), "texts;", ", ".join(f"{n} {kind}" for kind, n in doses.groupby("kind").direction.nunique().items()))
show(dose_panels(doses, "lexicon", ylabel="VADER, −1 to 1", title="Valence of what is written, by a lexicon"))

# %%
show(dose_panels(doses, "perplexity", ylabel="perplexity", title="What it costs"))
for text in doses[(doses.direction == "happy") & (doses.strength == 0.4)].text.iloc[:3]:
    print(repr(text))

# %% [markdown]
# One number for each panel, at one strength, 0.25, that of chapter 06's odds, so that we do not choose the best of
# four. Where does the emotion stand among its controls?

# %% [markdown]
# {{exercise 7.2}}
#
# Write `control_p(value, controls, side)`: the share of directions that go at least as far as the emotion does, **on
# the side to which it should go** (`side` is 1 for up and -1 for down). The emotion's own direction counts in, above
# and below the line, so that the share is never 0. `controls` is a list or an array, in no order.
#
# <details><summary>Hint 1</summary>
# It is the p-value of chapter 03, with controls in the place of shuffles, and with a side.
# </details>
# <details><summary>Hint 2</summary>
# `side * control >= side * value` is true for a control that goes as far, whichever side it is.
# </details>

# %%
def control_p(value, controls, side):
    """The share of directions at least as far out on one side, the emotion's own counted in: never 0."""
    ### BEGIN SOLUTION
    further = sum(side * control >= side * value for control in controls)
    return (1 + further) / (1 + len(controls))
    ### END SOLUTION


control_p = check("7.2", control_p)

# %%
import pandas

sides = {"happy": 1, "grateful": 1, "calm": 1, "sad": -1, "afraid": -1, "angry": -1}
judges = ["odds", "projection", "lexicon"]
at = doses[doses.strength == 0.25].groupby(["kind", "direction"])[measures].mean()
controls = at.drop("emotion")
p = {name: [control_p(at.loc[("emotion", name), j], list(controls[j]), side) for j in judges]
     for name, side in sides.items()}  # fmt: skip
print(f"p among {len(controls)} controls\n{pandas.DataFrame(p, index=judges).T.round(3).to_string()}\n")
print(controls.groupby("kind").agg(["min", "max"])[["perplexity", "distinct", "repeated"]].round(2).to_string())
print(at.loc["emotion"][["perplexity", "distinct", "repeated"]].round(2).to_string())

# %% [markdown]
# Five of the six lie beyond all 26 controls for all three judges: p is the smallest that 26 controls allow. *Calm*
# does by one judge, and for the other two one control goes as far.
#
# How much is that? The three judges of a row read the same texts, so count rows, not cells (and all rows share their
# controls): by luck alone a row would be beyond all for one judge once in 27, and five of six rows are so for all
# three. And most controls are random; of the other kind, the shuffled labels, there are only five, and to lie
# beyond all five says no more than p = 1/6.
#
# Now the price. At 0.25 each emotion costs what some of the controls cost. At 0.4 *angry* costs more than every
# control does (the second figure): and by the lexicon nothing is gained there over 0.25 (the
# first).
#
# One doubt is left. A text can *say* "happy", and a text can tell of happy things. Does the lexicon hear anything but
# the word?

# %%
from emovec_lite.rules import leaks

for name, side in sides.items():
    own = doses[(doses.direction == name) & (doses.strength == 0.25)]
    silent = own[[leaks(name).search(text) is None for text in own.text]]
    share = control_p(silent.lexicon.mean(), list(controls.lexicon), side)
    print(f"{name:>8}: {len(own) - len(silent)} of {len(own)} texts say it or a near-synonym; the others' lexicon score "
          f"{silent.lexicon.mean():+.2f}, p {share:.3f}")  # fmt: skip

# %% [markdown]
# Nearly half of the texts of *happy* say it, of the others few. Without these texts five of the six still lie beyond
# all controls, and *calm* cannot be told from them: what the lexicon hears in the five is more
# than the word.
#
# ## Which layer, and how hard?
#
# "Which layers, what strength?" is what people ask first about every steering library. The answer need not carry
# over, not even between the layers of one model. But the question "how hard may I push, at this layer, for this
# price?" can be answered quickly: where the price rises with strength, one can halve.

# %% [markdown]
# {{exercise 7.3}}
#
# Write `largest_within(price, bound, strengths)`: the largest of the rising `strengths` whose price is at most
# `bound`; 0.0 where none is. `price(strength)` gives a price that never falls as strength rises. It runs the model,
# so ask it as seldom as you can: halve what is left at each step.
#
# <details><summary>Hint 1</summary>
# Keep two places in the list: `low`, whose price is known to be within (at first −1: no strength at all), and `high`,
# known to be beyond (at first the list's length).
# </details>
# <details><summary>Hint 2</summary>
# While they are more than 1 apart, ask at `(low + high) // 2`, and move `low` or `high` there.
# </details>

# %%
def largest_within(price, bound, strengths):
    """The largest strength whose price is at most the bound; 0.0 where none is."""
    ### BEGIN SOLUTION
    low, high = -1, len(strengths)
    while high - low > 1:
        middle = (low + high) // 2
        if price(strengths[middle]) <= bound:
            low = middle
        else:
            high = middle
    return strengths[low] if low >= 0 else 0.0
    ### END SOLUTION


largest_within = check("7.3", largest_within)

# %% [markdown]
# The price here: how many times higher the perplexity of one neutral passage is to the *steered* model. (Another
# price than the one above, and quicker to measure: nothing is written.) **Predict:** is the strength that half again
# as much buys the same for an emotion and for random directions?

# %%
from emovec_lite import load_neutral, perplexity

passage = load_neutral()[:1]
plain = perplexity(subject, passage)[0]


def passage_price(direction):
    def at(strength):
        with steer(subject, direction, strength):
            return perplexity(subject, passage)[0] / plain

    return at


strengths = [round(0.05 * i, 2) for i in range(1, 21)]
for direction in (happy, afraid, *random_directions(happy, 3)):
    print(f"{direction.name:>8}: up to {largest_within(passage_price(direction), 1.5, strengths)}")

# %% [markdown]
# For this price both emotions may be pushed less hard than these three random directions: a push that lies where
# stories differ seems to disturb the model more than one that points nowhere. (Two and three directions, one
# passage.)
#
# `calibrate` does this layer by layer, and asks then how far the texts written at that strength have moved towards
# the emotion when they are read again without steering, two thirds up. **Predict:** early, middle or late?

# %%
from emovec_lite import calibrate

found = calibrate(subject, vectors, "happy", layers=sorted({subject.n_layers // 3, layer, subject.n_layers - 1}))
print(found.table.round(2).to_string(index=False))
print(f"best: layer {found.direction.layer}, strength {found.strength}")

# %% [markdown]
# Early the same price buys least. A hint where to look, no more: eight texts and one passage a layer, no controls,
# and the effect is read along the very direction with which one of the rows steers. (The layer of this course, two
# thirds up, was fixed before any of this was run.)
#
# ## Taking it out
#
# To push shows what a direction *can* do. What does the model do with it by itself? The other experiment takes it
# **out**: at one layer, at every token, the part of the residual along the direction is set to 0. That is
# **ablation** (Arditi et al. 2024 found one direction for refusal so).

# %% [markdown]
# {{exercise 7.4}}
#
# Write `without(residuals, vector)`: the residuals without their part along `vector`, which may have any length.
# Residuals are (..., d_model): one, some, or a batch of texts.
#
# <details><summary>Hint 1</summary>
# Make the vector unit length. How long is the part of a residual along it? `residuals @ unit`, one number for each.
# </details>
# <details><summary>Hint 2</summary>
# `(residuals @ unit)[..., None] * unit` is that part, again (..., d_model). Subtract it.
# </details>

# %%
def without(residuals, vector):
    """Residuals without their part along a vector: the same shape."""
    ### BEGIN SOLUTION
    unit = vector / vector.norm()
    return residuals - (residuals @ unit)[..., None] * unit
    ### END SOLUTION


without = check("7.4", without)

# %% [markdown]
# The library's `ablate(subject, direction)` does this inside a `with` block, as `steer` adds. Is it the same,
# exactly?

# %%
from emovec_lite import token_activations

before = token_activations(subject, prompt)
with ablate(subject, happy):
    after = token_activations(subject, prompt)
print("largest difference from `without`:", (after[layer] - without(before[layer], happy.vector)).abs().max().item())
print("layers below it are untouched:", torch.equal(after[:layer], before[:layer]))

# %% [markdown]
# Now a test that could fail. After a pleasant opening the model expects pleasant words, after an unpleasant one it
# does not. If it reads that off the direction *happy*, then without it the **contrast** between the two should
# shrink. The control: forty random directions taken out, one at a time.
#
# **Predict** how much of the contrast is left. And without the direction of *sad*?

# %%
from emovec_lite.effects import word_odds

pleasant = ("They won. She feels", "On her wedding day she feels", "The sun is out, and he feels", "He got the job. He feels")
unpleasant = ("They lost. She feels", "On the day of the funeral she feels", "The house is on fire, and he feels",
              "He lost the job. He feels")  # fmt: skip


def contrast(word="happy"):
    """How much higher the log odds of a word are after the pleasant openings than after the unpleasant ones."""
    return word_odds(subject, [word], pleasant)[0] - word_odds(subject, [word], unpleasant)[0]


def left_without(direction):
    with ablate(subject, direction):
        return contrast()


random_left = [left_without(direction) for direction in random_directions(happy, 40)]
whole, left = contrast(), {name: left_without(vectors.direction(name, layer)) for name in ("happy", "afraid", "sad", "bored")}
print(f"as it is {whole:.2f}; without a random direction {min(random_left):.2f} to {max(random_left):.2f}")
print("without", {name: round(float(value), 2) for name, value in left.items()})

# %%
from emovec_lite.plots import dots

show(dots(
    list(left), {"its direction taken out": list(left.values())}, null=[random_left] * len(left),
    null_label="a random direction taken out", xlabel="contrast of happy, pleasant minus unpleasant openings",
    title=f"What is left at layer {layer}; as it is {whole:.2f}",
))  # fmt: skip

# %% [markdown]
# Without *happy* half of the contrast is gone, and none of forty random directions takes nearly as much. So at this
# layer the model does use the direction to tell pleasant from unpleasant, or something that lies along it: *afraid*
# and *sad*, which share valence with it, take a part as well, *bored* no more than chance does. And half is left.
#
# A caution. Ablation sets the part along the direction to 0, also what *all* texts have along it, and that alone can
# make a word less likely after whatever opening. So look at a contrast, in which this cancels, and not at one kind of
# opening. And later blocks may write anew what was taken out: nesting one block for each layer takes the same
# direction out everywhere. **Predict** what is left then.

# %%
from contextlib import ExitStack
from dataclasses import replace


def left_everywhere(directions):
    with ExitStack() as stack:
        for direction in directions:
            stack.enter_context(ablate(subject, direction))
        return contrast()


depth = range(subject.n_layers)
own = left_everywhere(replace(happy, layer=each) for each in depth)
chance = [left_everywhere(replace(d, layer=each) for each in depth) for d in random_directions(happy, 20)]
print(f"out of every layer: happy leaves {own:.2f}, a random direction {min(chance):.2f} to {max(chance):.2f}")

# %% [markdown]
# Out of every layer, the direction of *happy* leaves nothing of the contrast, and twenty random directions, taken out
# in the same way, leave most of it. These are eight sentences and one word; a feeling is nowhere in it, only what
# word the model expects next.

# %% [markdown]
# ## Take away
#
# - Every effect has a **price**, and one meter of it is not enough: a loop can be cheap.
# - Compare an emotion with **controls pushed as hard**, and count rows, not cells. Unsteered text is no control.
# - With 26 controls no p is below 1/27.
# - How hard one may push is a question with a bound; the answer belongs to one layer of one model.
# - To push shows what a direction can do, to **ablate** what the model does with it.
#
# ## Three questions

# %%
quiz("07")

# %% [markdown]
# ## Read on
#
# Arditi et al. 2024, *Refusal in Language Models Is Mediated by a Single Direction*, arXiv 2406.11717, on ablation.
# Turner et al. 2023, *Activation Addition*, arXiv 2308.10248, and Rimsky et al. 2024, *Steering Llama 2 via
# Contrastive Activation Addition*, arXiv 2312.06681, on pushes and their prices.

# %%
progress()
