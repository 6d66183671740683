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
# million numbers, most of them in 30 layers. The first time, it is fetched (about a hundred megabytes) and unpacked,
# which takes a minute. (The first two lines matter in Colab only.)

# %%
# setup

# %% [markdown]
# The last line above says what you have: the default model has 30 layers, each of which works on vectors of 576
# numbers. All of the course runs with other models, too; how to choose one stands at the end of chapter 06. What the
# text says of numbers and outputs is about the default one.
#
# ## The model speaks
#
# A language model continues text, one **token** (a word or a piece of one) at a time. Here it always takes the
# likeliest next token, so you and everyone else will read the same words, or nearly.

# %%
from emovec_lite import generate, load_or_compute, random_directions, show, steer

prompt = "The bus broke down, and she"
print(prompt + generate(subject, prompt))

# %% [markdown]
# Plain and a little dull, as small models are. Nothing in the prompt says how *she* takes it.
#
# ## Three lines that steer it
#
# Long before you came here, 576 short stories went through the default model. In each, somebody is happy, or afraid,
# or one of 46 other things, though the story never says the word. While a model reads, each of its layers passes on
# long lists of numbers, its **activations**. The *average* difference between the activations in the *happy* stories
# and those in all the stories is a direction: the emotion vector for *happy*. The default model's ships with the
# course; another model reads the stories when the next cell runs, once, which takes some minutes.
#
# **Predict.** We are going to add that vector to what one layer passes on, two thirds up (in the default model layer
# 19 of 30), at every token, and let the model continue the same prompt. A bus has broken down. Will it say "I am
# happy"? Let the bus run again? Produce nonsense? Decide, then run.

# %%
happy = load_or_compute(subject).direction("happy", subject.main_layer)
with steer(subject, happy, strength=0.25):
    print(prompt + generate(subject, prompt))

# %% [markdown]
# Those are the three lines. We say that the model was **steered**. It was not told to write anything cheerful, and
# not one of its weights (the numbers that training has set) was changed. When the `with` block ends it is exactly the
# model it was before.
#
# The number 0.25 means: a quarter as long as the vectors that usually stand in that layer. Chapters 06 and 07 are
# about what a good number is, and what it costs.
#
# ## Is it the emotion, or would any push do?
#
# This is the question that the whole course keeps asking. A vector that long might knock the model off course
# whatever its direction. So we take one more emotion, and beside it five **random directions** of exactly the same
# length: drawn blindly, as if by throwing a dart at all the directions there are.
#
# **Predict** what *afraid* will do, and what the random ones will.

# %%
vectors, layer = load_or_compute(subject), subject.main_layer
afraid = vectors.direction("afraid", layer)
for direction in [afraid, *random_directions(afraid, 5)]:
    with steer(subject, direction, strength=0.25):
        print(f"{direction.name:>8}: {prompt}{generate(subject, prompt, 24)}\n")

# %% [markdown]
# With *afraid* there is suddenly a hospital, and a hurry to get there. Convincing? Then read *random 4*: a broken
# leg, a hospital, and somebody who is *scared*. Nobody looked for that direction; it was the fifth that was drawn.
# Had we shown you only *afraid*, you would have believed it, and had we shown you *random 4* under its name, you
# would have believed that. None of these five is *thrilled*, as *happy* was, but five are few. What one reads into a
# text proves little.
#
# ## One number instead of an impression
#
# We want something to count. After "He feels", how much likelier does a word become when its own emotion is added?
# And how much for random directions?
#
# To choose the next token, the model gives a score to every token that it knows; from the scores follow the
# probabilities. The next cell asks for the logarithms of eight of them. In it, `subject.hf` is the model itself, as
# the library *transformers* loads it, and `torch.inference_mode()` tells PyTorch that nothing will be trained, which
# saves time and memory.

# %%
import torch

from emovec_lite.generation import next_tokens

names = ["afraid", "angry", "calm", "happy", "lonely", "proud", "sad", "tired"]
tokens = next_tokens(subject, names)  # the number of the token that each word begins with
ids = subject.tokenizer("He feels", return_tensors="pt").to(subject.device)


def log_probabilities():
    """How likely each of the eight words is after "He feels": natural logarithms."""
    with torch.inference_mode():
        scores = subject.hf(**ids).logits[0, -1]  # for all tokens, as the next one after the last
    return scores.float().log_softmax(dim=0)[tokens].cpu()


plain = log_probabilities()
for name, value in zip(names, plain):
    print(f"{name:>8} {value:6.2f}")

# %% [markdown]
# The nearer to 0, the likelier. Now the same while the model is steered, and the difference between the two: +1 means
# about 2.7 times as likely, -1 that much less.
#
# **Predict** which of the eight words rise with *happy*, and which fall.

# %%
def change(direction):
    """By how much steering moves the log probability of each of the eight words."""
    with steer(subject, direction, strength=0.25):
        return log_probabilities() - plain


for name, value in zip(names, change(happy)):
    print(f"{name:>8} {value:+.2f}")

# %% [markdown]
# The three pleasant words rise, the five others fall, *afraid* furthest. But *happy* is one direction. Would a push
# in another one have done the same?
#
# So each of the eight words gets its own emotion's vector, and we count how many of 200 random directions move that
# word up less. A direction that is nothing special would beat about half of them, and 95 % of them once in twenty
# times.
#
# **Predict** the share for *calm*, and for *sad*.

# %%
own = []
for place, name in enumerate(names):
    own.append(float(change(vectors.direction(name, layer))[place]))

randomly = torch.stack([change(direction) for direction in random_directions(happy, 200)])  # (direction, word)
for place, name in enumerate(names):
    share = (randomly[:, place] < own[place]).float().mean()
    print(f"{name:>8} {own[place]:+.2f}, more than with {share:6.1%} of the random directions")

# %%
from emovec_lite.plots import dots

show(dots(
    names, {"own direction": own}, null=randomly.T.tolist(), null_label="200 random directions",
    xlabel="change in log probability of the word after “He feels”",
    title="Each word when its own emotion's vector is added, and for 200 random directions",
))  # fmt: skip

# %% [markdown]
# Seven of the eight beat 98 % of the random directions or more, some of them all 200. *Sad* does not: about one
# random direction in twelve raises it further than its own vector does. So *sad* may be luck; that seven of eight
# stand so high hardly is. (The shares move a little with the draw: try `random_directions(happy, 200, seed=1)`.)
#
# The eight words were our choice. Put others of the 48 into `names`, *anxious* or *resentful* for instance, and run
# the cells again from there. A picture like this one, with its grey dots, is worth more than a well-chosen quotation.
#
# ## Where the course goes
#
# These directions have a geometry. In chapter 04 you will make the picture below from scratch. Each emotion stands
# where that layer of the *model* puts it: to the right, by how pleasant it should be judging from all the other
# emotions; upwards, by how stirring. The colours are people's ratings of the word, which had no part in placing that
# emotion. Some emotions stand where they should not; whether the whole is more than luck is a question for chapter
# 04.

# %%
from emovec_lite.plots import circumplex

show(circumplex(vectors, layer))

# %% [markdown]
# | chapter | what you will make |
# |---|---|
# | 01 Inside the residual stream | read and edit the vectors that flow between the layers |
# | 02 From stories to vectors | build emotion vectors by hand from stories |
# | 03 Do the vectors mean it? | test them on topics and ways of telling they have not seen, against word counts |
# | 04 The geometry of feeling words | make the picture above, and what luck would make of it |
# | 05 Where do models find happiness? | follow how pleasant and unpleasant are represented, layer by layer |
# | 06 Steering | push the model yourself, and count what it does to words |
# | 07 Dose and price | find out how far one can push, at what price, and what is left when a direction is taken out |
#
# ## Take away
#
# - An emotion vector is a **direction in activations**, found by comparing stories.
# - **Adding** it, at run time, moves what the model writes. No training, no prompt.
# - An effect means something only **beside its control**: here, 200 random directions of the same length. What counts
#   is the share of them that it beats.
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
