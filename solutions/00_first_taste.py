# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 00 · A first taste
#
# {{badges}}
#
# **You will** load a language model, read what it writes, and change its tone by adding one vector to its
# activations. Three lines do it; the rest of the course is about what those lines mean and how far to trust them.
#
# **You need** Python, and to have heard once what a transformer is. 15 minutes. The cells take {{measured}} of
# memory on two cores, without a GPU.
#
# {{box}}

# %% [markdown]
# ## Set up
#
# Everything here runs on your machine. The default model, SmolLM2-135M-Instruct, is small enough for a laptop: 135
# million numbers, in 30 layers. The first time, it is fetched (about a hundred megabytes) and unpacked, which takes a
# minute. (The first two lines matter in Colab only.)

# %%
# setup

# %% [markdown]
# The last line above says what you have: the default model has 30 layers, each of which works on vectors of 576
# numbers. All of the course runs with other models, too; how to choose one stands at the end of chapter 06. What the text
# says of numbers and outputs is about the default one.
#
# ## The model speaks
#
# A language model continues text, one token at a time. Here it always takes the likeliest next token, so you and
# everyone else will read the same words.

# %%
from emovec_lite import generate, load_or_compute, show, steer

prompt = "The bus broke down, and she"
print(prompt + generate(subject, prompt))

# %% [markdown]
# Plain and a little dull, as small models are. Nothing in the prompt says how *she* takes it.
#
# ## Three lines that steer it
#
# Long before you came here, 576 short stories went through the default model. In each, somebody is happy, or afraid, or
# one of 46 other things, though the story never says the word. While a model reads, each of its layers passes on long
# lists of numbers, its **activations**. The *average* difference between the activations in the *afraid* stories and
# those in all the others is a direction: the emotion vector for *afraid*. The default model's ships with the course;
# another model reads the stories when the next cell runs, once, which takes some minutes.
#
# **Predict.** We are going to add that vector to what one layer passes on, two thirds up (in the default model layer 19
# of 30), at every token, and let the model continue the same prompt. Will it say "I am afraid"? Write a story about
# fear? Produce nonsense? Decide, then run.

# %%
afraid = load_or_compute(subject).direction("afraid", subject.main_layer)
with steer(subject, afraid, strength=0.25):
    print(prompt + generate(subject, prompt))

# %% [markdown]
# Those are the three lines. We say that the model was **steered**. It was not told to write anything frightening, and not
# one of its weights (the numbers that training has set) was changed. When the `with` block ends it is exactly the model it was before.
#
# The number 0.25 means: a quarter as long as the vectors that usually stand in that layer. Chapter 06 is about what a
# good number is, and what it costs.
#
# ## Is it the emotion, or would any push do?
#
# This is the question that the whole course keeps asking. A vector that long might knock the model off course
# whatever its direction. So we take two more emotions, and beside them a **random direction** of exactly the same
# length.
#
# **Predict** what the random one will do.

# %%
from emovec_lite import random_directions

vectors, layer = load_or_compute(subject), subject.main_layer
directions = [vectors.direction(name, layer) for name in ("afraid", "happy", "angry")]
for direction in [*directions, *random_directions(afraid, 1)]:
    with steer(subject, direction, strength=0.25):
        print(f"{direction.name:>8}: {prompt}{generate(subject, prompt, 30)}\n")

# %% [markdown]
# Read them against the unsteered text. *Afraid* and *happy* change what the text is about, and *happy* begins to repeat
# itself: a small model pays for every push, and chapter 06 measures the price. *Angry* does not become angry. This random
# direction leaves the tone about where it was; another may not. Change the 1 to 5 and look.
#
# ## One number instead of an impression
#
# Impressions of four texts prove little; we want something to count. After "He feels", how much likelier does a word become when its own
# emotion is added? And how much does it move for 20 random directions of the same length?

# %%
import torch

from emovec_lite.generation import next_tokens


def log_probabilities(prompt="He feels"):
    """How likely the model finds each token as the next one (natural logarithm)."""
    ids = subject.tokenizer(prompt, return_tensors="pt").to(subject.device)
    with torch.inference_mode():
        return subject.hf(**ids).logits[0, -1].float().log_softmax(dim=0).cpu()


plain = log_probabilities()


def change(direction):
    """By how much steering moves the log probability of each token."""
    with steer(subject, direction, strength=0.25):
        return log_probabilities() - plain


(token,) = next_tokens(subject, ["afraid"])
print(f"{change(afraid)[token]:+.2f}")

# %% [markdown]
# That is the change in the *logarithm*: +1 means about 2.7 times as likely. Is it a lot? Only the random directions
# can tell.
#
# **Predict** for how many of these eight emotions the own direction beats all 20 random ones.

# %%
from emovec_lite.plots import dots

names = ["afraid", "angry", "calm", "happy", "lonely", "proud", "sad", "tired"]
tokens = next_tokens(subject, names)
own = [change(vectors.direction(name, layer))[i].item() for name, i in zip(names, tokens)]
chance = torch.stack([change(direction)[tokens] for direction in random_directions(afraid, 20)]).T.tolist()
beaten = sum(value > max(null) for value, null in zip(own, chance))
print(f"own direction above all 20 random ones: {beaten} of {len(names)}")
show(dots(
    names, {"own direction": own}, null=chance, xlabel="change in log probability of the word after “He feels”",
    title="Each word when its own emotion's vector is added, and for 20 random directions",
))  # fmt: skip

# %% [markdown]
# Most words are moved further up by their own emotion's vector than by any random one; *angry* and *proud* are not. That
# is normal for so small a model. It is why a picture like this one, with its grey dots, is worth more than a well-chosen
# quotation.
#
# ## Where the course goes
#
# These directions have a geometry. In chapter 04 you will make the picture below from scratch. Each emotion stands
# where that layer of the *model* puts it: to the right, by how pleasant it should be judging from all the other
# emotions; upwards, by how stirring. The colours are people's ratings of the word, which had
# no part in placing that emotion. Some emotions stand where they should not; whether the whole is more than luck is a
# question for chapter 04.

# %%
from emovec_lite.plots import circumplex

show(circumplex(vectors, layer))

# %% [markdown]
# | chapter | what you will make |
# |---|---|
# | 01 Inside the residual stream | read and edit the vectors that flow between the layers |
# | 02 From stories to vectors | build emotion vectors by hand from stories |
# | 03 Do the vectors mean it? | test them on topics they have not seen, against word counts |
# | 04 The geometry of feeling words | make the picture above, and the null that it has to beat |
# | 05 Where do models find happiness? | follow how pleasant and unpleasant are represented, layer by layer |
# | 06 Steering | find out how far one can push, and at what price |
#
# ## Take away
#
# - An emotion vector is a **direction in activations**, found by comparing stories.
# - **Adding** it, at run time, moves what the model writes. No training, no prompt.
# - An effect means something only **beside its control**: here, random directions of the same length.
#
# ## Three questions

# %%
from emovec_lite.course import progress, quiz

quiz("00")

# %% [markdown]
# ## Read on
#
# Sofroniew et al. 2026, *Emotion Concepts and their Function in a Large Language Model*: the introduction, for the
# idea and for how the authors speak of representations. arXiv 2606.26987: the abstract, for what two open models
# show. Your progress, kept on this machine alone:

# %%
progress()

# %% [markdown]
# Next: [01 Inside the residual stream](01_residual_stream.ipynb).
