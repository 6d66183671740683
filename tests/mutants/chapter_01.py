"""Answers to the exercises of chapter 01 as learners write them."""

from contextlib import contextmanager
from functools import partial

import nnsight
import numpy as np
import torch

from tests.mutants import right, wrong

text = "The bus had stopped, and nobody on it could say why."  # the chapter defines it, and answers slip to it


def tokens(subject, text):
    return subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)


# --- 1.1 From text to vectors ---------------------------------------------------------------------------------


@wrong("1.1", "There is a batch dimension in front")
def embed_with_the_batch(subject, text):
    return subject.hf.get_input_embeddings()(tokens(subject, text))


@wrong("1.1", "You have a token too many")
def embed_with_a_bos_token(subject, text):
    ids = [subject.tokenizer.bos_token_id, *subject.tokenizer.encode(text)]
    return subject.hf.get_input_embeddings()(torch.tensor(ids, device=subject.device))


@wrong("1.1", "Those are the ids")
def embed_gives_ids(subject, text):
    return subject.tokenizer(text, return_tensors="pt").input_ids[0]


@wrong("1.1", "Those are the residuals after block 0")
def embed_by_hidden_states_1(subject, text):
    with torch.no_grad():
        output = subject.hf(tokens(subject, text), output_hidden_states=True)
    return output.hidden_states[1].squeeze(0)


@wrong("1.1", "You scaled the rows to length 1")
def embed_unit_rows(subject, text):
    rows = subject.hf.get_input_embeddings()(tokens(subject, text))[0]
    return torch.nn.functional.normalize(rows, dim=-1)


@wrong("1.1", "does your function use its argument?")
def embed_the_text_of_the_chapter(subject, words):
    ids = subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)  # not `words`
    return subject.hf.get_input_embeddings()(ids)[0]


@right("1.1")
def embed_by_rows_of_the_matrix(subject, text):
    matrix = subject.hf.model.embed_tokens.weight
    return torch.stack([matrix[i] for i in subject.tokenizer.encode(text)])


@right("1.1")
def embed_by_a_trace(subject, text):
    with subject.nn.trace(text) as tracer:
        rows = subject.nn.model.embed_tokens.output[0].save()
        tracer.stop()
    return rows


@right("1.1")
def embed_by_numpy(subject, text):
    matrix = subject.hf.lm_head.weight.detach().float().cpu().numpy()  # tied to the embeddings in this model
    return matrix[np.array(subject.tokenizer(text)["input_ids"])].astype(np.float16)


# --- 1.2 Read a layer with a hook -----------------------------------------------------------------------------


@wrong("1.2", "Your hook is still on the model")
def hook_left_on(subject, text, layer):
    kept = {}

    def save(module, args, output):
        kept["residual"] = output.detach()

    subject.blocks[layer].register_forward_hook(save)
    with torch.inference_mode():
        subject.hf(tokens(subject, text))
    return kept["residual"][0]


@wrong("1.2", "*receives*")
def hook_before_the_block(subject, text, layer):
    kept = []
    handle = subject.blocks[layer].register_forward_pre_hook(lambda module, args: kept.append(args[0]))
    with torch.inference_mode():
        subject.hf(tokens(subject, text))
    handle.remove()
    return kept[0][0]


@wrong("1.2", "off by one. Layer l is the output of block l")
def hook_counts_layers_from_1(subject, text, layer):
    kept = []
    handle = subject.blocks[layer + 1].register_forward_hook(lambda module, args, output: kept.append(output))
    try:
        with torch.no_grad():
            subject.hf(tokens(subject, text))
    finally:
        handle.remove()
    return kept.pop()[0]


@wrong("1.2", "*after the final norm*")
def hidden_states_shifted_by_one(subject, text, layer):
    with torch.inference_mode():
        states = subject.hf(tokens(subject, text), output_hidden_states=True).hidden_states
    return states[layer + 1][0]


outside = []


@wrong("1.2", "Make the list that keeps the activation inside the function")
def list_made_outside(subject, text, layer):
    handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: outside.append(output))
    with torch.inference_mode():
        subject.hf(tokens(subject, text))
    handle.remove()
    return outside[0][0]


@wrong("1.2", "Look at which module you read")
def hook_on_the_mlp(subject, text, layer):
    kept = []
    handle = subject.blocks[layer].mlp.register_forward_hook(lambda module, args, output: kept.append(output))
    with torch.inference_mode():
        subject.hf(tokens(subject, text))
    handle.remove()
    return kept[0][0]


@right("1.2")
def read_in_a_context_manager(subject, text, layer):
    @contextmanager
    def hooked(module, function):
        handle = module.register_forward_hook(function)
        try:
            yield
        finally:
            handle.remove()

    seen = {}
    with hooked(subject.blocks[layer], lambda m, a, o: seen.update(out=o.detach().clone())), torch.no_grad():
        subject.hf(**subject.tokenizer(text, return_tensors="pt").to(subject.device))
    return seen["out"].squeeze(0)


@right("1.2")
class ReadByACallableObject:
    """A class whose instances are hooks; called, it gives a tensor."""

    def __new__(cls, subject, text, layer):
        self = super().__new__(cls)
        self.output = None
        with subject.blocks[layer].register_forward_hook(self), torch.inference_mode():
            subject.hf.model(tokens(subject, text), use_cache=False)
        return self.output[0].double()

    def __call__(self, module, args, output):
        self.output = output


class _Enough(Exception):
    pass


@right("1.2")
def read_and_stop_there(subject, text, layer):
    kept = None

    def hook(module, args, output):
        nonlocal kept
        (kept,) = output.cpu().float().numpy()
        raise _Enough

    handle = subject.blocks[layer].register_forward_hook(hook)
    try:
        subject.hf(tokens(subject, text))  # with gradients as far as the model wants them
    except _Enough:
        pass
    finally:
        handle.remove()
    return kept


def _keep_under(store, key, module, args, output):
    store[key] = output


@right("1.2")
def read_with_a_partial(subject, text, layer):
    store = {}
    handles = [b.register_forward_hook(partial(_keep_under, store, i)) for i, b in enumerate(subject.blocks)]
    try:
        with torch.inference_mode():
            subject.hf(input_ids=tokens(subject, text))
    finally:
        for handle in handles:
            handle.remove()
    return store[layer][0, :, :]


# --- 1.3 Read it again with nnsight ---------------------------------------------------------------------------


@wrong("1.3", "unless you call `.save()` on it inside")
def trace_without_save(subject, text, layer):
    with subject.nn.trace(text):
        residual = subject.nn.model.layers[layer].output
    return residual[0]


@wrong("1.3", "*receives*")
def trace_of_the_input(subject, text, layer):
    with subject.nn.trace(text):
        residual = subject.nn.model.layers[layer].input.save()
    return residual[0]


@wrong("1.3", "a second `[0]` picks one token of it")
def trace_as_if_blocks_gave_tuples(subject, text, layer):
    with subject.nn.trace(text):
        residual = subject.nn.model.layers[layer].output[0].save()
    return residual[0]


@wrong("1.3", "There is a batch dimension in front")
def trace_with_the_batch(subject, text, layer):
    with subject.nn.trace(text):
        residual = subject.nn.model.layers[layer].output.save()
    return residual


@wrong("1.3", "after the `with`")
def trace_with_return_inside(subject, text, layer):
    with subject.nn.trace(text):
        return subject.nn.model.layers[layer].output[0].save()


@wrong("1.3", "Did you forget `return`?")
def trace_without_return(subject, text, layer):
    with subject.nn.trace(text):
        residual = subject.nn.model.layers[layer].output.save()
    residual[0]  # noqa: B018


@right("1.3")
def trace_what_comes_next(subject, text, layer):
    following = subject.nn.model.norm if layer == subject.n_layers - 1 else subject.nn.model.layers[layer + 1]
    with subject.nn.trace(text) as tracer:
        residual = nnsight.save(following.input[0])
        tracer.stop()
    return residual


@right("1.3")
def trace_of_ids(subject, text, layer):
    with subject.nn.trace(tokens(subject, text)):
        output = subject.nn.model.layers[layer].output.detach().clone().save()
    return output.squeeze(0).to(torch.float64)


@right("1.3")
def trace_of_all_layers(subject, text, layer):
    kept = []
    with torch.no_grad(), subject.nn.trace(text):
        for block in subject.nn.model.layers:
            kept.append(block.output.save())
    return torch.cat(kept)[layer]


# --- 1.4 How long is a residual? ------------------------------------------------------------------------------


@wrong("1.4", "opposite residuals cancel in it")
def norm_of_the_mean(residual, skip):
    return residual[skip:].mean(dim=0).norm()


@wrong("1.4", "You kept the tokens that should be skipped")
def norm_of_all_tokens(residual, skip):
    return residual.norm(dim=-1).mean()


@wrong("1.4", "You skipped one token too many")
def norm_skips_one_more(residual, skip):
    return residual[skip + 1 :].norm(dim=1).mean()


@wrong("1.4", "a square root is missing")
def norm_squared(residual, skip):
    return (residual[skip:] ** 2).sum(-1).mean()


@wrong("1.4", "now take their mean")
def norm_of_each_token(residual, skip):
    return torch.linalg.norm(residual[skip:], dim=-1)


@wrong("1.4", "one length for each token")
def norm_down_the_columns(residual, skip):
    return residual[skip:].norm(dim=0).mean()


@right("1.4")
def norm_in_a_loop(residual, skip):
    lengths = [float(token @ token) ** 0.5 for token in residual[skip:]]
    return sum(lengths) / len(lengths)


@right("1.4")
def norm_by_numpy(residual, skip):
    return np.linalg.norm(residual.cpu().numpy()[skip:], axis=1).mean()


@right("1.4")
def norm_by_einsum(residual, skip):
    residual = residual.double()
    return torch.einsum("td,td->t", residual, residual).sqrt()[skip:].mean().item()


# --- 1.5 Logit lens -------------------------------------------------------------------------------------------


@wrong("1.5", "The final norm is missing")
def lens_without_norm(subject, residual):
    return subject.hf.lm_head(residual)


@wrong("1.5", "Those are probabilities")
def lens_with_softmax(subject, residual):
    return torch.softmax(subject.hf.lm_head(subject.hf.model.norm(residual)), dim=-1)


@wrong("1.5", "Those are log-probabilities")
def lens_with_log_softmax(subject, residual):
    return subject.hf.lm_head(subject.hf.model.norm(residual)).log_softmax(-1)


@wrong("1.5", "That is one token only")
def lens_of_the_last_token(subject, residual):
    return subject.hf.lm_head(subject.hf.model.norm(residual[-1]))


@wrong("1.5", "Those are still residuals")
def lens_without_unembedding(subject, residual):
    return subject.hf.model.norm(residual)


@wrong("1.5", "has weights of its own")
def lens_with_a_norm_made_by_hand(subject, residual):
    normed = residual / residual.pow(2).mean(dim=-1, keepdim=True).sqrt()
    return subject.hf.lm_head(normed)


@right("1.5")
def lens_by_matrix(subject, residual):
    normed = subject.hf.model.norm(residual[None])
    return (normed @ subject.hf.lm_head.weight.T).squeeze(0)


@right("1.5")
def lens_in_double(subject, residual):
    norm, x = subject.hf.model.norm, residual.double()
    x = x / (x.square().mean(-1, keepdim=True) + norm.variance_epsilon).sqrt() * norm.weight.double()
    return torch.einsum("td,vd->tv", x, subject.hf.get_output_embeddings().weight.double()).numpy()


@right("1.5")
def lens_token_by_token(subject, residual):
    with torch.no_grad():
        return torch.stack([torch.nn.Sequential(subject.hf.model.norm, subject.hf.lm_head)(r) for r in residual])


# --- 1.6 Edit one activation ----------------------------------------------------------------------------------


@wrong("1.6", "your edit went into a copy")
def edit_of_a_clone(subject, text, layer, position, vector):
    with subject.nn.trace(text):
        residual = subject.nn.model.layers[layer].output.clone()
        residual[:, position] += vector
        logits = subject.nn.lm_head.output.save()
    return logits[0]


@wrong("1.6", "you edited more positions")
def edit_of_all_tokens(subject, text, layer, position, vector):
    with subject.nn.trace(text):
        subject.nn.model.layers[layer].output += vector
        logits = subject.nn.lm_head.output.save()
    return logits[0]


@wrong("1.6", "in the residual's place instead of adding it")
def edit_replaces(subject, text, layer, position, vector):
    with subject.nn.trace(text):
        subject.nn.model.layers[layer].output[0, position] = vector
        logits = subject.nn.output.logits.save()
    return logits[0]


@wrong("1.6", "Layer l is the output of block l")
def edit_of_the_input(subject, text, layer, position, vector):
    with subject.nn.trace(text):
        subject.nn.model.layers[layer].input[:, position] += vector
        logits = subject.nn.lm_head.output.save()
    return logits[0]


@wrong("1.6", "Those are probabilities")
def edit_gives_probabilities(subject, text, layer, position, vector):
    with subject.nn.trace(text):
        subject.nn.model.layers[layer].output[:, position] += vector
        logits = subject.nn.lm_head.output.save()
    return logits[0].softmax(dim=-1)


@wrong("1.6", "does your function use all of its arguments?")
def edit_at_the_position_of_the_example(subject, text, layer, position, vector):
    with subject.nn.trace(text):
        subject.nn.model.layers[layer].output[:, 4] += vector
        logits = subject.nn.lm_head.output.save()
    return logits[0]


@right("1.6")
def edit_with_a_hook(subject, text, layer, position, vector):
    def add(module, args, output):
        output = output.clone()
        output[0, position] += vector
        return output

    handle = subject.blocks[layer].register_forward_hook(add)
    try:
        with torch.inference_mode():
            return subject.hf(tokens(subject, text)).logits[0]
    finally:
        handle.remove()


@right("1.6")
def edit_assigned_back(subject, text, layer, position, vector):
    with subject.nn.trace(text):
        output = subject.nn.model.layers[layer].output
        here = torch.arange(output.shape[1], device=output.device) == position
        subject.nn.model.layers[layer].output = torch.where(here[None, :, None], output + vector, output)
        logits = subject.nn.output.logits[0].save()
    return logits.detach().float().cpu().numpy()


@right("1.6")
def edit_of_what_comes_next(subject, text, layer, position, vector):
    modules = [*subject.nn.model.layers, subject.nn.model.norm]
    with subject.nn.trace(text):
        received = modules[layer + 1].input
        received[:, position, :] = received[:, position, :] + vector
        logits = subject.nn.lm_head.output.save()
    return logits.squeeze(0)


@right("1.6")
def edit_in_double_with_logits_in_half(subject, text, layer, position, vector):
    def add(module, args, output):
        output[:, position] += vector.double()  # the block's own output, in place

    handle = subject.blocks[layer].register_forward_hook(add)
    with torch.no_grad():
        logits = subject.hf(input_ids=tokens(subject, text)).logits.half()
    handle.remove()
    return logits[0]
