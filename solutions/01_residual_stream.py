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
# ways that agree to the last bit, find out what is odd about the first token, ask each layer what it would say next,
# and change a single activation.
#
# **You need** chapter 00, PyTorch tensors (indexing, `dim=`), and the idea of a transformer: blocks of attention and
# MLP, one after the other. 45 minutes. The cells take {{measured}} of memory on two cores, without a GPU.
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
# The comma and the full stop count as well. Note what is *not* there: nothing was put in front. Some tokenizers, Gemma's
# for one, add a special token at the beginning; the default model's does not, so the first token is the word "The".
# Remember it.
#
# ## From ids to vectors
#
# Each id picks one row of the **embedding matrix**. In the default model a row has 576 numbers; that length is called
# `d_model`. (Gemma makes each row longer, always by the same factor, before anything else happens to it. The module that
# picks the rows does that, too.) From here on the model knows nothing of words; it works on one vector for each token.

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
# goes through all the blocks, 30 in the default model. Nothing is ever replaced; everything is added to a running sum.
# That sum is called the **residual stream**, and it is where an emotion vector lives.
#
# Our numbering, in the whole course: **layer ℓ is the residual stream after block ℓ**, counted from 0. Layer 7 is
# what block 7 hands on and block 8 receives. The embeddings, before any block, are called `embed`, not a layer.
#
# To read a layer while the model runs, we ask PyTorch to call us. A **forward hook** is a function that PyTorch calls
# after a module has run, with the module, its inputs and its output. We hang one on a layer a quarter up: in the default
# model that is layer 7.

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
# `subject.nn` is the same model, wrapped. In `subject.nn.blocks[early]` you see one of its blocks by a name that fits every
# model. The default model itself calls it `model.layers[early]`, GPT-2 would say `transformer.h[early]`; all of these are
# the same block. The body of the `with` runs while the model does. Two rules:
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
# web that writes `.output[0]` because blocks used to return a tuple. With today's transformers the output is the
# tensor itself, and `[0]` takes the first text of the batch.
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
# Now you can also see with your own eyes that the stream is a running sum. What a block gives, minus what it got, should be
# what its attention and its MLP put out, added together. (Families of models have their own names for a block's
# attention, and Gemma norms both parts before they are added: hence the first lines. In Gemma 4 something is left, for its
# blocks add a third part.)

# %%
block = subject.nn.blocks[early]
attends = next(getattr(block, name) for name in ("self_attn", "attn", "attention") if hasattr(block, name))
adds = attends, block.mlp
if hasattr(block, "post_feedforward_layernorm"):
    adds = block.post_attention_layernorm, block.post_feedforward_layernorm
with subject.nn.trace(text):
    received = block.input.save()
    attention = adds[0].output[0].save()
    mlp = adds[1].output.save()
    given = block.output.save()

print("length of what was added:", round((given - received).norm().item(), 1))
print("left unexplained:        ", round((given - received - attention - mlp).norm().item(), 4))

# %% [markdown]
# Which of the two is faster? A trace is built anew at every call, so one might expect a price.
#
# **Predict** the ratio for our short sentence.

# %%
import time


def milliseconds(function, repeats=10):
    started = time.perf_counter()
    for _ in range(repeats):
        function(subject, text, early)
    return 1000 * (time.perf_counter() - started) / repeats


print(f"hook {milliseconds(read_with_hook):.0f} ms, nnsight {milliseconds(read_with_nnsight):.0f} ms")

# %% [markdown]
# Hardly a difference on a CPU: a forward pass of even this small model takes far longer than building a trace, which
# costs a few milliseconds.
#
# **From here on, what you read and edit yourself is written with nnsight**, because it says what you mean. The
# library under this course stays on bare hooks all the same. They need nothing but PyTorch, they work from any thread
# (the widgets of chapter 06 need that), and on a GPU a few milliseconds a call do count.
#
# ## What `hidden_states` hides
#
# There is a third way, and most code on the web uses it: `output_hidden_states=True` returns a tuple of all layers.
# Why does this course never touch it? For three reasons, each of which has spoiled somebody's results.
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
# First, the index is shifted by one. Second, the last entry is something else: the residual stream *after the
# model's final norm*. In a plot of all entries there is a sudden change at the last layer, and it is an artefact.
#
# The third is the worst. Let a hook add 100 to everything that a block puts out, again a quarter up.
#
# **Predict:** what does the entry for that layer say, what the entry for the next, and what do the logits do?

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
# before the hook had its turn. (Whether it is so depends on the version, and even on which call came first: in a fresh
# kernel the same entry may show the edit.) To see whether an edit arrived, read what the *next* block receives.
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
# It is the place, not the word. Such *massive activations* have been found in many models; attention gathers on the
# tokens that have them (arXiv 2402.17762), as on a place to look when nothing else is needed.
#
# A mean over tokens that includes such a token is mostly about that token. That is why this course skips the beginning of
# each text.

# %% [markdown]
# {{exercise 1.4}}
#
# Write `mean_norm(residual, skip)`: the mean length of the tokens from position `skip` on. One number.
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
main = subject.main_layer  # two thirds up, where this course steers
print(f"at layer {main}: {series['skip 1'][main]:.0f} without the first token, {series['skip 0'][main]:.0f} with it")

# %% [markdown]
# In the default model they part a little at first, meet at layers 9 and 10, and part for good at layer 11: a single block
# makes the first token a giant.
#
# The lower curve, averaged over the course's stories instead of one sentence, is the unit in which this course measures
# steering: `strength=0.25` means a vector a quarter as long as that, at the layer where one steers. With the upper curve
# as the unit, every push would be many times too hard.
#
# ## Logit lens
#
# At the very end the model turns each token's residual into a score (a **logit**) for every token it knows: a final
# norm, then a linear map, the unembedding. Nothing stops us from applying the same two steps to an *earlier* layer.
# It is as if we asked: were this the last layer, what would you say next?

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
# from there, or late? As a control we follow three other capitals.

# %%
question = "The capital of France is"
for layer in sorted({subject.layer_at(share) for share in (0, 0.37, 0.7, 0.77, 0.83, 0.9, 0.93, 0.97, 1)}):
    logits = logit_lens(subject, read_with_nnsight(subject, question, layer))[-1]
    best = [subject.tokenizer.decode(i) for i in logits.topk(5).indices]
    print(f"layer {layer:>2}: {best}")

# %%
from emovec_lite.generation import next_tokens

ranks = {capital: [] for capital in ("Paris", "London", "Berlin", "Rome")}
answers = next_tokens(subject, list(ranks))  # the token that each begins with
for layer in range(subject.n_layers):
    logits = logit_lens(subject, read_with_nnsight(subject, question, layer))[-1]
    for places, answer in zip(ranks.values(), answers):
        places.append(1 + int((logits > logits[answer]).sum()))

show(curves(
    list(range(subject.n_layers)), ranks, xlabel="layer", ylabel="rank among all tokens", log=True,
    title="Where the logit lens ranks four capitals (1 is the first)",
))  # fmt: skip

# %% [markdown]
# In the default model Paris rises from layer 23 on, and London after it; Berlin and Rome follow at the very end. So part of the
# rise is not about *this* question: a capital is wanted, and some are named more often than others. What is about it is
# the distance between Paris and the rest. Below that the lens shows spaces and commas. It reads only
# what already lies in the *output* directions; a layer may know something and keep it in other ones. What the lens
# shows is there. What it does not show may be there too.
#
# ## Edit one activation
#
# Reading is only half of it. To show that something in the stream *matters*, change it and see what follows. In a
# trace you assign to what you would otherwise read:
#
# ```python
# with subject.nn.trace(text):
#     subject.nn.blocks[early].output[:, 4] += vector
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
# Now add something that means something: the emotion vector for *afraid*, at one token only, half as long as the
# residuals there, and as a control twenty random directions of the same length. We measure how far the distribution of
# the *next* word moves, by the Kullback-Leibler divergence: 0 if nothing changes, and larger the more the two differ
# (its unit is the *nat*).
#
# **Predict:** at which position will the edit matter most for the next word? And can you tell it from a random one?

# %%
from emovec_lite import load_or_compute, random_directions

sentence = "She opened the door and saw"
positions = [subject.tokenizer.decode([i]).strip() for i in subject.tokenizer(sentence)["input_ids"]]
afraid = load_or_compute(subject).direction("afraid", main)
zeros = torch.zeros(subject.d_model, dtype=subject.dtype, device=subject.device)
plain = add_at(subject, sentence, main, 0, zeros)[-1].log_softmax(dim=-1)


def shift(direction, position):
    """How far one edit moves the predicted distribution: Kullback-Leibler divergence, in nats."""
    vector = (0.5 * direction.residual_norm * direction.vector).to(zeros)
    edited = add_at(subject, sentence, main, position, vector)[-1].log_softmax(dim=-1)
    return (plain.exp() * (plain - edited)).sum().item()


# %%
from emovec_lite.plots import dots

own = [shift(afraid, position) for position in range(len(positions))]
chance = [[shift(d, position) for d in random_directions(afraid, 20)] for position in range(len(positions))]
show(dots(
    positions, {"afraid": own}, null=chance, xlabel="how far the next word's distribution moves (nats)",
    title=f"One edit, at one token of layer {main}", log=True,
))  # fmt: skip

# %% [markdown]
# At the last token the edit goes straight into the prediction. From the others it has to be fetched by the attention
# of the blocks that remain (ten in the default model), and little of it arrives. While the model writes, every new token is the last one in
# its turn; so steering adds its vector at *every* token, as you saw in chapter 00.
#
# And look at the grey dots: the emotion vector moves the prediction no further than random directions do. Then is it
# nothing special? **How far** is the wrong question. Any push moves things. The question is **where to**.
#
# **Predict** which words gain most after "She opened the door and saw", with the vector for *afraid* and with random ones.

# %%
def gains(direction, position=len(positions) - 1, n=8):
    """The words that an edit raises most, among the 500 likeliest before or after."""
    vector = (0.5 * direction.residual_norm * direction.vector).to(zeros)
    edited = add_at(subject, sentence, main, position, vector)[-1].log_softmax(dim=-1)
    likely = torch.cat([plain.topk(500).indices, edited.topk(500).indices]).unique()
    best = likely[(edited - plain)[likely].topk(n).indices]
    return [subject.tokenizer.decode(i).strip() for i in best]


print("afraid:  ", gains(afraid))
for direction in random_directions(afraid, 3):
    print(f"{direction.name}:", gains(direction))

# %% [markdown]
# (Tokens can be names, or pieces of words.) On the default model the list for *afraid* has *shock*, *screaming* and
# *flames*. But the first **random** direction has *death*, *danger* and *tears*, and it was drawn blindly. A list of words
# convinces quickly, and that is its danger: one can see a theme in almost anything. Chapter 03 replaces this look by
# tests that could fail.
#
# ## Take away
#
# - The **residual stream** is a running sum; layer ℓ is what block ℓ hands on.
# - A **hook** and an **nnsight trace** read the same tensor. Remove the one, `.save()` in the other.
# - `hidden_states` is shifted by one, normed at the end, and may miss an edit at the layer where it was made.
# - The **first token** is huge. Skip it, or every mean is about it.
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
