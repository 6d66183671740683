# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 01 · Inside the residual stream
#
# {{badges}}
#
# **You will** follow a text from its letters to the vectors that flow through the model, read those vectors in two
# ways and compare them, find out which tokens are unlike the others, ask each layer what it would say next,
# and change a single activation.
#
# **You need** chapter 00, PyTorch tensors (indexing, `dim=`), and the idea of a transformer: blocks of attention and
# MLP, one after the other. 55 minutes. The cells take {{measured}} of memory on two cores, without a GPU.
#
# {{box}}

# %%
# setup

# %%
import torch

from emovec_lite import show
from emovec_lite.course import check, progress, quiz
from emovec_lite.plots import curves

text = "The bus had stopped, and nobody on it could say why."

# %% [markdown]
# ## Tokens
#
# The model never sees letters. A tokenizer cuts the text into pieces from a fixed list, and each piece has a number,
# its id. A space belongs to the word after it and is shown as `Ġ` (by other tokenizers as `▁`).
#
# **Predict** how many tokens the sentence has. It has eleven words.

# %%
ids = subject.tokenizer(text)["input_ids"]
print(len(ids), "tokens of", len(subject.tokenizer), "that the model knows")
print(list(zip(subject.tokenizer.convert_ids_to_tokens(ids), ids)))

# %% [markdown]
# The comma and the full stop count as well. Note what is *not* there: nothing was put in front. Some tokenizers,
# Gemma's for one, add a special token at the beginning; the default model's does not, so the first token is the word
# "The".
#
# ## From ids to vectors
#
# Each id picks one row of the **embedding matrix**. In the default model a row has 576 numbers; that length is called
# `d_model`. (Gemma makes each row longer, always by the same factor, before anything else happens to it. The module
# that picks the rows does that, too.) From here on the model knows nothing of words; it works on one vector for each
# token.
#
# `subject` is the course's own small object round a model, and `subject.hf` in it the model itself, as the library
# *transformers* loads it.

# %% [markdown]
# {{exercise 1.1}}
#
# Write `embed(subject, text)`: the embedding of each token of the text, as a tensor of shape (token, d_model).
#
# <details><summary>Hint 1</summary>
# `subject.tokenizer(text, return_tensors="pt")["input_ids"]` has shape (1, token): a batch of one text.
# `subject.hf.get_input_embeddings()` is a module that turns ids into rows.
# </details>
# <details><summary>Hint 2</summary>
# `subject.hf.get_input_embeddings()(ids)` has shape (1, token, d_model). The text is `[0]`. On a GPU the ids must
# be where the model is: `.to(subject.device)`.
# </details>

# %%
def embed(subject, text):
    """The embeddings of a text's tokens: (token, d_model)."""
    ### BEGIN SOLUTION
    ids = subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)
    return subject.hf.get_input_embeddings()(ids)[0]
    ### END SOLUTION


embed = check("1.1", embed, subject)

# %%
embeddings = embed(subject, text)
print(embeddings.shape)
print("lengths:", [round(x, 1) for x in embeddings.norm(dim=-1).tolist()])

# %% [markdown]
# ## The residual stream
#
# Here is the one picture of a transformer that this course needs. Each token has a vector. Block 0 reads all the
# vectors, computes something, and **adds** it to each. Block 1 reads the sums, computes something, and adds. So it
# goes through all the blocks, 30 in the default model. Nothing is ever replaced; everything is added to a running
# sum. That sum is called the **residual stream**, and it is where an emotion vector lives.
#
# Two steps follow the last block. A **final norm** brings every vector to about one size, and a linear map, the
# **unembedding**, makes of it a score for each token that the model knows as the next one. These scores are called
# **logits**; a softmax turns them into probabilities.
#
# Our numbering, in the whole course: **layer ℓ is the residual stream after block ℓ**, counted from 0. Layer 7 is
# what block 7 hands on and block 8 receives. The embeddings, before any block, are called `embed`, not a layer.
#
# To read a layer while the model runs, we ask PyTorch to call us. A **forward hook** is a function that PyTorch calls
# after a module has run, with the module, its inputs and its output. We hang one on a layer a quarter up: in the
# default model that is layer 7. `torch.inference_mode()` tells PyTorch that nothing will be trained, so that it keeps
# nothing for that.

# %%
early = subject.layer_at(1 / 4)


def look(module, args, output):
    print(f"{type(module).__name__} got {tuple(args[0].shape)} and gave {tuple(output.shape)}")


handle = subject.blocks[early].register_forward_hook(look)
with torch.inference_mode():
    subject.hf(torch.tensor([ids], device=subject.device))
handle.remove()

# %% [markdown]
# Shapes are (batch, token, d_model), here with a batch of one. The last line matters more than it seems. **A hook
# stays until it is removed**: forget `handle.remove()`, and it runs in every later forward pass, in every cell below,
# without a word. It is a common mistake and hard to find. Let us make it once.
#
# **Predict** what this prints: the function adds 1 to the list each time it runs, and we think we run it once.

# %%
calls = []
forgotten = subject.blocks[early].register_forward_hook(lambda module, args, output: calls.append(1))
for _ in range(3):
    with torch.inference_mode():
        subject.hf(torch.tensor([ids], device=subject.device))
print(len(calls), "calls")
forgotten.remove()

# %% [markdown]
# {{exercise 1.2}}
#
# Write `read_with_hook(subject, text, layer)`: the residual stream after that block, (token, d_model). Leave the
# model as you found it, even if the forward pass fails: `try: … finally: …`.
#
# <details><summary>Hint 1</summary>
# Make an empty list *inside* your function. The hook appends the block's output to it. Register it on
# `subject.blocks[layer]`, run `subject.hf(ids)`, remove it, and return what the list holds.
# </details>
# <details><summary>Hint 2</summary>
# `handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: kept.append(output))`, then the
# forward pass in a `try:`, then `finally: handle.remove()`. The list now holds (1, token, d_model).
# </details>

# %%
def read_with_hook(subject, text, layer):
    """The residual stream of a text after block `layer`: (token, d_model)."""
    ### BEGIN SOLUTION
    kept = []
    ids = subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)
    block = subject.blocks[layer]
    handle = block.register_forward_hook(lambda module, args, output: kept.append(output))
    try:
        with torch.inference_mode():
            subject.hf(ids)
    finally:
        handle.remove()
    return kept[0][0]
    ### END SOLUTION


read_with_hook = check("1.2", read_with_hook, subject)

# %% [markdown]
# ## The same with nnsight
#
# Hooks show exactly what happens, and they are clumsy to write. [nnsight](https://nnsight.net) is a library for
# reading and editing models. You write down what you want *as if the model were standing still at that point*:
#
# ```python
# with subject.nn.trace(text):
#     residual = subject.nn.blocks[early].output.save()
# ```
#
# `subject.nn` is the same model, wrapped. In `subject.nn.blocks[early]` you see one of its blocks by a name that fits
# every model. The default model itself calls it `model.layers[early]`, GPT-2 would say `transformer.h[early]`; all of
# these are the same block. The body of the `with` runs while the model does. Two rules:
#
# - what you make inside vanishes at the end unless you call **`.save()`** on it inside;
# - ask for things in the **order in which they run**: first layer 3, then 7; in a block first what it gets, then its
#   attention, its MLP, and last what it gives.

# %%
with subject.nn.trace(text):
    residual = subject.nn.blocks[early].output.save()
print(residual.shape)

# %% [markdown]
# {{exercise 1.3}}
#
# Write `read_with_nnsight(subject, text, layer)`, which gives the same as `read_with_hook`.
#
# <details><summary>Hint 1</summary>
# The cell above is nearly it. Mind the batch dimension.
# </details>
# <details><summary>Hint 2</summary>
# Save the block's `.output` inside the trace and return `residual[0]` after it. You will find older code on the
# web that writes `.output[0]` because a block used to return a tuple with the tensor in first place. In today's
# transformers a block's output is the tensor itself, (batch, token, d_model), and `residual[0]` is its first text.
# </details>

# %%
def read_with_nnsight(subject, text, layer):
    """The residual stream of a text after block `layer`: (token, d_model)."""
    ### BEGIN SOLUTION
    with subject.nn.trace(text):
        residual = subject.nn.blocks[layer].output.save()
    return residual[0]
    ### END SOLUTION


read_with_nnsight = check("1.3", read_with_nnsight, subject)

# %% [markdown]
# **Predict:** two ways to read, one model. How large is the greatest difference between them, over all layers?

# %%
differences = [
    (read_with_hook(subject, text, layer) - read_with_nnsight(subject, text, layer)).abs().max().item()
    for layer in range(subject.n_layers)
]
print("greatest difference:", max(differences))

# %% [markdown]
# Now you can also see with your own eyes that the stream is a running sum. What a block gives, minus what it got,
# should be what its attention and its MLP put out, added together.
#
# First we need these two modules of the block. Families of models name them differently, and Gemma norms both parts
# before it adds them, so that there the norms are what puts out what is added.

# %%
block = subject.nn.blocks[early]
for name in ("self_attn", "attn", "attention"):
    if hasattr(block, name):
        attention = getattr(block, name)
mlp = block.mlp
if hasattr(block, "post_feedforward_layernorm"):  # Gemma
    attention, mlp = block.post_attention_layernorm, block.post_feedforward_layernorm

# %% [markdown]
# Then a trace, in the order in which they run. One thing to know: unlike a block, an *attention* module still returns
# a **tuple**, of what it adds and of its attention weights. Of a tuple, `[0]` is the first member, here the tensor
# with all its texts. What `[0]` means depends on what stands before it: look at the type before you index.
#
# **Predict** what will be left over.

# %%
with subject.nn.trace(text):
    received = block.input.save()
    attended = attention.output.save()
    computed = mlp.output.save()
    given = block.output.save()
if isinstance(attended, tuple):
    attended = attended[0]

print("length of what was added:", round((given - received).norm().item(), 1))
print("left over:               ", round((given - received - attended - computed).norm().item(), 4))

# %% [markdown]
# Nothing but rounding. (In Gemma 4 something is left, for its blocks add a third part.)
#
# Which of the two is faster? A trace is built anew at every call, so one might expect a price.
#
# **Predict** the ratio for our short sentence.

# %%
import time


def milliseconds(function, repeats=10):
    """The fastest of a few calls: whatever else the machine does can only make one slower."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function(subject, text, early)
        times.append(1000 * (time.perf_counter() - started))
    return min(times)


print(f"hook {milliseconds(read_with_hook):.0f} ms, nnsight {milliseconds(read_with_nnsight):.0f} ms")

# %% [markdown]
# Not much of one on a CPU: nearly all of the time goes into the forward pass itself, even of so small a model.
#
# **From here on, what you read and edit yourself is written with nnsight**, because it says what you mean. The
# library under this course stays on bare hooks all the same. They need nothing but PyTorch, they work from any thread
# (the widgets of chapter 06 need that), and on a GPU a few milliseconds a call do count.
#
# ## What `hidden_states` hides
#
# There is a third way, and most code on the web uses it: `output_hidden_states=True` returns a tuple of all layers.
# Why does this course never touch it? For three reasons, each of which can spoil results without a word.
#
# **Predict:** it should hold layer ℓ at index ℓ + 1, because the embeddings come first. For which layers is
# that so?

# %%
batch = torch.tensor([ids], device=subject.device)
with torch.inference_mode():
    listed = subject.hf(batch, output_hidden_states=True).hidden_states
print(len(listed), "entries for", subject.n_layers, "layers")
wrong = [
    layer for layer in range(subject.n_layers)
    if not torch.allclose(listed[layer + 1][0], read_with_hook(subject, text, layer), rtol=1e-3, atol=1e-3)
]  # fmt: skip
print("not the residual stream after the block:", wrong)

# %% [markdown]
# First, the index is shifted by one. Second, the last entry is something else: the residual stream *after the final
# norm*. In a plot of all entries there is a sudden change at the last layer, and it is an artefact.
#
# The third is the worst. Let a hook add 100 to everything that a block puts out, again a quarter up.
#
# **Predict:** what does the entry for that layer say, what the entry for the next, and what do the logits do, the
# scores at the very end?

# %%
handle = subject.blocks[early].register_forward_hook(lambda module, args, output: output + 100)
with torch.inference_mode():
    edited = subject.hf(batch, output_hidden_states=True)
handle.remove()
with torch.inference_mode():
    plain = subject.hf(batch, output_hidden_states=True)
for layer in (early, early + 1):
    moved = (edited.hidden_states[layer + 1] - plain.hidden_states[layer + 1]).abs().max().item()
    print(f"the entry for layer {layer} moved by {moved:.1f}")
print(f"the logits moved by {(edited.logits - plain.logits).abs().max().item():.1f}")

# %% [markdown]
# The edit had a great effect on all that follows, and the entry for its own layer does not show it: it was recorded
# before the hook had its turn. (Whether it is so depends on the version, and even on which call came first: in a
# fresh kernel the same entry may show the edit.) To see whether an edit arrived, read what the *next* block receives.
#
# ## How long is a residual?
#
# Steering adds a vector to the stream. Is it a nudge or a blow? That depends on how long the vectors are that are
# already there. So let us look at lengths (norms): each token's, at several layers.
#
# **Predict:** will they grow or shrink with depth? Will all tokens be about alike?

# %%
lengths = {
    f"layer {layer}": read_with_nnsight(subject, text, layer).float().norm(dim=-1).tolist()
    for layer in map(subject.layer_at, (0, 0.2, 0.43, 0.7, 1))
}
tokens = [repr(subject.tokenizer.decode([i]).strip()) for i in ids]
show(curves(
    tokens, lengths, xlabel="token", ylabel="norm of the residual", log=True,
    title="Length of each token's residual",
))  # fmt: skip

# %% [markdown]
# Mind the axis: it is logarithmic. In the default model's layer 12 the first token, and it alone, is **over a hundred
# times** as long as the others. Has that to do with the word "The"? Let other texts begin with something else.

# %%
middle = subject.layer_at(0.43)
for start in ("The bus had stopped", "Nobody came", "A letter lay there", "Red boats went by"):
    norms = read_with_nnsight(subject, start, middle).float().norm(dim=-1).tolist()
    print(f"{start:>20}: {' '.join(f'{value:.0f}' for value in norms)}")

# %% [markdown]
# It goes with the place: another word there is a giant as well. Such *massive activations* have been found in many
# models; attention gathers on the tokens that have them (arXiv 2402.17762), as on a place to look when nothing else
# is needed.
#
# In a mean such a token weighs more than a hundred others. That is why this course skips the beginning of each text.

# %% [markdown]
# {{exercise 1.4}}
#
# Write `mean_norm(residual, skip)`: the mean length of the tokens from position `skip` on. One number. (On a GPU
# residuals may come in half precision, which NumPy may not know; `.float()` helps.)
#
# <details><summary>Hint 1</summary>
# First a length for each token, then the mean of the lengths. The other order gives the length of the mean
# vector, in which opposite residuals cancel.
# </details>
# <details><summary>Hint 2</summary>
# `residual[skip:]` leaves the first ones out, and `.norm(dim=-1)` gives one length a token.
# </details>

# %%
def mean_norm(residual, skip):
    """The mean norm of a text's tokens (token, d_model) from position `skip` on."""
    ### BEGIN SOLUTION
    return residual[skip:].norm(dim=-1).mean()
    ### END SOLUTION


mean_norm = check("1.4", mean_norm, subject)

# %% [markdown]
# **Predict:** draw the mean norm by layer, once with the first token and once without. Where will the curves part?

# %%
depth = range(subject.n_layers)
residuals = [read_with_hook(subject, text, layer).float() for layer in depth]
series = {f"skip {skip}": [float(mean_norm(r, skip)) for r in residuals] for skip in (0, 1)}
show(curves(
    list(depth), series, xlabel="layer", ylabel="mean norm", log=True,
    title="Mean norm by layer, with and without the first token",
))  # fmt: skip

# %%
for layer in map(subject.layer_at, (0, 0.2, 0.33, 0.37, 0.4, 0.67, 0.9, 1)):
    first, others = residuals[layer][0].norm(), mean_norm(residuals[layer], 1)
    print(f"layer {layer:>2}: the first token is {first / others:5.1f} times as long as the others")

# %% [markdown]
# In the default model the two curves start together, part for a while, meet again at layers 9 and 10, where the first
# token is about as long as any other, and part for good at layer 11: a single block makes it a giant. From there on
# its lead shrinks, to six times at the last layer.
#
# How much the giant matters to a mean depends on how many others there are. **Predict** what becomes of the two
# numbers at the main layer, for our sentence and for one of the course's stories, which is more than ten times as
# long.

# %%
from emovec_lite import load_corpus

main = subject.main_layer  # two thirds up, where this course steers
story = next(iter(load_corpus())).text
for name, words in (("the sentence", text), ("a story", story)):
    residual = read_with_hook(subject, words, main).float()
    with_it, without = float(mean_norm(residual, 0)), float(mean_norm(residual, 1))
    print(f"{name:>12}, {len(residual):>3} tokens: {with_it:.0f} with the first token, {without:.0f} without")

# %% [markdown]
# Without the first token the two texts agree. With it the short one gives a number several times too large, and the
# long one another: it says more about the length of the text than about its residuals.
#
# The number without the beginning, averaged over the course's stories, is the unit in which this course measures
# steering: `strength=0.25` means a vector a quarter as long as that, at the layer where one steers.
#
# ## Logit lens
#
# You know how the model ends: the final norm, then the unembedding, and the logits are there. Nothing stops us from
# applying the same two steps to an *earlier* layer. It is as if we asked: were this the last layer, what would you
# say next?

# %% [markdown]
# {{exercise 1.5}}
#
# Write `logit_lens(subject, residual)`: from residuals (token, d_model) to logits (token, vocabulary). For the last
# layer it must give the model's own logits. (Gemma 2 and 4 squash theirs once more at the very end, which changes no
# word's place; leave that out.)
#
# <details><summary>Hint 1</summary>
# Two modules: `subject.final_norm` and `subject.hf.lm_head`.
# </details>
# <details><summary>Hint 2</summary>
# One inside the other, norm first. No softmax: those would be probabilities.
# </details>

# %%
def logit_lens(subject, residual):
    """What the model would say next if these residuals (token, d_model) came from its last layer."""
    ### BEGIN SOLUTION
    return subject.hf.lm_head(subject.final_norm(residual))
    ### END SOLUTION


logit_lens = check("1.5", logit_lens, subject)

# %% [markdown]
# **Predict:** "The capital of France is" … In which layer does the answer appear? In the middle, gathering strength
# from there, or late?

# %%
question = "The capital of France is"
for layer in sorted({subject.layer_at(share) for share in (0, 0.37, 0.7, 0.77, 0.83, 0.9, 0.93, 0.97, 1)}):
    logits = logit_lens(subject, read_with_nnsight(subject, question, layer))[-1]
    best = [subject.tokenizer.decode(i) for i in logits.topk(5).indices]
    print(f"layer {layer:>2}: {best}")

# %% [markdown]
# Mostly spaces, punctuation and little words; in the default model *Paris* is among the five only in the last two of
# these layers. What happens further down, at place 100 or 2000, such a list does not show.
#
# So we follow *Paris* by its **rank**, its place among all tokens when they are sorted by their logits. And because
# *Paris* might rise after any question of this kind, we ask two more: about another country, and about none. One
# trace reads all the layers.
#
# **Predict** how the three curves will differ.

# %%
from emovec_lite.generation import next_tokens


def last_token(question):
    """The residual of a question's last token at every layer: (layer, d_model)."""
    residuals = []
    with subject.nn.trace(question):
        for block in subject.nn.blocks:
            residuals.append(block.output[0, -1].save())
    return torch.stack(residuals)


def ranks(question, word):
    """Where the logit lens ranks a word as the next one, layer by layer; 1 is the first of all tokens."""
    logits = logit_lens(subject, last_token(question))  # (layer, vocabulary)
    (answer,) = next_tokens(subject, [word])  # the number of the token that the word begins with
    return [1 + int((row > row[answer]).sum()) for row in logits]


# %%
countries = ("France", "Germany", "the country")
paris = {country: ranks(f"The capital of {country} is", "Paris") for country in countries}
show(curves(
    list(depth), paris, xlabel="layer", ylabel="rank of “Paris”", log=True,
    title="“The capital of … is”: where the logit lens ranks Paris (1 is the first)",
))  # fmt: skip
print("rank at the last layer:", {country: places[-1] for country, places in paris.items()})

# %% [markdown]
# Downwards is better. In the default model *all three* curves fall over the last layers, though one question is about
# another country and one about none: even after that one *Paris* comes third in the end. So much of the rise is not
# about *France*. A capital is wanted, and Paris is one that texts name often. But at layer 23 the curve for *France*
# leaves the two others.
#
# What is about *France* is the distance between the curves: by how many times is the rank better after the capital's
# own question than after the one about no country?
#
# **Predict:** is what you saw peculiar to Paris, or will other capitals do the same, and at the same layer?

# %%
capitals = {"France": "Paris", "England": "London", "Germany": "Berlin", "Italy": "Rome"}
times = {}
for country, capital in capitals.items():
    asked = ranks(f"The capital of {country} is", capital)
    control = ranks("The capital of the country is", capital)
    times[capital] = [c / a for a, c in zip(asked, control)]

show(curves(
    list(depth), times, xlabel="layer", ylabel="times as good a rank", log=True,
    title="How many times better a capital's rank is after its own question than after the control",
))  # fmt: skip
for layer in map(subject.layer_at, (0.77, 0.8)):
    print(f"layer {layer}:", {capital: round(values[layer], 1) for capital, values in times.items()})

# %% [markdown]
# In the default model all four lie near 1 up to layer 22: so far the lens sees nothing of the country. At layer 23
# they leave it together, and the blocks after it take them further. So after one block, the same for these four, the
# lens first sees something of the country; put in other countries, and see whether it holds for them. (In the last
# layer these four come down again, for there the control catches up; other capitals need not.)
#
# The lens reads only what already lies in the *output* directions; a layer may know something and keep it in other
# ones. What the lens shows is there. What it does not show may be there too.
#
# ## Edit one activation
#
# Reading is only half of it. To show that something in the stream *matters*, change it and see what follows. In a
# trace you assign to what you would otherwise read:
#
# ```python
# with subject.nn.trace(text):
#     subject.nn.blocks[early].output[:, 4] += vector  # in all texts of the batch, token 4
#     logits = subject.nn.output.logits.save()
# ```

# %% [markdown]
# {{exercise 1.6}}
#
# Write `add_at(subject, text, layer, position, vector)`: add the vector to the residual of **one** token after block
# `layer`, and return the logits of all tokens, (token, vocabulary).
#
# <details><summary>Hint 1</summary>
# The cell above, with your arguments in it. The check adds a vector of zeros as well: what must happen then?
# </details>
# <details><summary>Hint 2</summary>
# `.output.clone()` would give a copy, and editing a copy changes nothing, unless you assign it back to `.output`.
# Take the batch dimension off after the trace.
# </details>

# %%
def add_at(subject, text, layer, position, vector):
    """The logits (token, vocabulary) when `vector` is added to one token's residual after block `layer`."""
    ### BEGIN SOLUTION
    with subject.nn.trace(text):
        subject.nn.blocks[layer].output[:, position] += vector
        logits = subject.nn.output.logits.save()
    return logits[0]
    ### END SOLUTION


add_at = check("1.6", add_at, subject)

# %% [markdown]
# Now add something that means something: the emotion vector for *afraid*, at one token only. The object that we load
# holds a `.vector` of length 1 and a `.residual_norm`, the mean length of a story's residuals at its layer. Half of
# that is what we add, at the main layer. How much is it beside the residuals of *this* text?

# %%
from emovec_lite import load_or_compute, random_directions

afraid = load_or_compute(subject).direction("afraid", main)
sentence = "She opened the door and saw"
words = [subject.tokenizer.decode([i]).strip() for i in subject.tokenizer(sentence)["input_ids"]]
for word, length in zip(words, read_with_nnsight(subject, sentence, main).float().norm(dim=-1).tolist()):
    print(f"{word:>8}: {length:>6.0f} long, and the edit {0.5 * afraid.residual_norm / length:6.1%} of that")

# %% [markdown]
# About half, as intended; but for the first token, the giant, half a percent.
#
# We measure how far an edit moves the distribution of the *next* word by the Kullback-Leibler divergence: 0 if
# nothing changes, and larger the more the two differ (its unit is the *nat*). Beside *afraid* we add, at each token,
# ten random directions of the same length.
#
# **Predict:** at which position will the edit matter most for the next word? And can you tell it from a random one?

# %%
zeros = torch.zeros(subject.d_model, dtype=subject.dtype, device=subject.device)
plain = add_at(subject, sentence, main, 0, zeros)[-1].float().log_softmax(dim=-1)


def edited(direction, position):
    """Log probabilities of the next word when half a residual's length of a direction is added to one token."""
    vector = (0.5 * direction.residual_norm * direction.vector).to(zeros)
    return add_at(subject, sentence, main, position, vector)[-1].float().log_softmax(dim=-1)


def shift(direction, position):
    """How far that moves the predicted distribution: Kullback-Leibler divergence, in nats."""
    return (plain.exp() * (plain - edited(direction, position))).sum().item()


# %%
from emovec_lite.plots import dots

own = [shift(afraid, position) for position in range(len(words))]
chance = [[shift(d, position) for d in random_directions(afraid, 10)] for position in range(len(words))]
show(dots(
    words, {"afraid": own}, null=chance, null_label="10 random directions",
    xlabel="how far the next word's distribution moves (nats)", log=True,
    title=f"One edit, at one token of layer {main}",
))  # fmt: skip

# %% [markdown]
# At the last token the edit goes straight into the prediction: every push there moves it further than any does from
# another place. From the others it has to be fetched by the attention of the blocks that remain (ten in the default
# model), and little of it arrives. (The first token is no fair comparison, for there the edit is next to nothing.)
# While the model writes, every new token is the last one in its turn; so steering adds its vector at *every* token,
# as you saw in chapter 00.
#
# And the emotion vector among the grey dots? To tell a share one needs more than ten. At the last token we take 200.
#
# **Predict** the share that *afraid* beats.

# %%
last = len(words) - 1
pushed = [shift(direction, last) for direction in random_directions(afraid, 200)]
beaten = sum(value < own[last] for value in pushed) / len(pushed)
print(f"afraid {own[last]:.2f} nats; random {min(pushed):.2f} to {max(pushed):.2f}; share beaten {beaten:.0%}")

# %% [markdown]
# About half of them: by how far it moves the prediction, *afraid* is a direction like any other. Then is it nothing
# special?
#
# **How far** is the wrong question. Any push moves things. The question is **where to**.
#
# **Predict** which words gain most after "She opened the door and saw", with the vector for *afraid* and with random
# ones.

# %%
def gains(direction, n=8):
    """The tokens that an edit of the last token raises most, among the 500 likeliest before or after."""
    moved = edited(direction, last)
    likely = torch.cat([plain.topk(500).indices, moved.topk(500).indices]).unique()
    best = likely[(moved - plain)[likely].topk(n).indices]
    return [subject.tokenizer.decode(i).strip() for i in best]


print("afraid:  ", gains(afraid))
for direction in random_directions(afraid, 3):
    print(f"{direction.name}:", gains(direction))

# %% [markdown]
# (Tokens can be names, or pieces of words.) On the default model the list for *afraid* has *screaming*, *terrifying*
# and *terrible*. But the first **random** direction has *death*, *danger* and *survivors*, and it was drawn blindly.
# A list of words convinces quickly, and that is its danger: one can see a theme in almost anything. Chapter 03
# replaces this look by tests that could fail.
#
# ## Take away
#
# - The **residual stream** is a running sum; layer ℓ is what block ℓ hands on.
# - A **hook** and an **nnsight trace** read the same tensor. Remove the one, `.save()` in the other.
# - `hidden_states` is shifted by one, normed at the end, and may miss an edit at the layer where it was made.
# - The **first token** is a giant in many layers. Skip it, or it weighs in a mean like a hundred others.
# - An edit has *arrived* when the next block receives it. It *means* something only if it moves the model where it
#   should, and random edits do not.
#
# ## Three questions

# %%
quiz("01")

# %% [markdown]
# ## Read on
#
# Elhage et al. 2021, *A Mathematical Framework for Transformer Circuits*: the sections on the residual stream, for
# the picture of a shared channel that every block reads and writes. Sun et al. 2024, arXiv 2402.17762: the first
# figures, for massive activations in larger models than ours. The nnsight documentation's first walk through a model.

# %%
progress()

# %% [markdown]
# Next: [02 From stories to vectors](02_stories_to_vectors.ipynb).
