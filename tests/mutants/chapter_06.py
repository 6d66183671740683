"""Answers to the exercises of chapter 06 as learners write them."""

import math
from contextlib import ExitStack, contextmanager
from functools import partial

import nnsight
import numpy as np
import torch

from tests.mutants import right, wrong


def tokens(subject, text):
    return subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)


# --- 6.1 A push in units of the residual ----------------------------------------------------------------------


@wrong("6.1", "0.25 of what?")
def push_without_norm(direction, strength):
    return strength * direction.vector


@wrong("6.1", "You divided by the norm")
def push_divided(direction, strength):
    return strength * direction.vector / direction.residual_norm


@wrong("6.1", "That is one number")
def push_as_a_number(direction, strength):
    return strength * direction.residual_norm * direction.vector.norm()


@wrong("6.1", "You made the vector unit length")
def push_unit(direction, strength):
    return strength * direction.residual_norm * direction.unit().vector


@wrong("6.1", "do not take its absolute value")
def push_forwards_only(direction, strength):
    return abs(strength) * direction.residual_norm * direction.vector


@wrong("6.1", "You changed `direction.vector` itself")
def push_in_place(direction, strength):
    vector = direction.vector
    vector *= strength * direction.residual_norm
    return vector


@right("6.1")
def push_by_algebra(direction, strength):
    return (direction * strength * direction.residual_norm).vector


@right("6.1")
def push_by_numpy(direction, strength):
    return np.multiply(strength * direction.residual_norm, direction.vector.numpy())


@right("6.1")
def push_on_a_half_copy(direction, strength):
    vector = direction.vector.clone().half()
    vector *= strength * direction.residual_norm
    return vector


# --- 6.2 Steer every step with nnsight ------------------------------------------------------------------------


@wrong("6.2", "Only the first step was steered")
def generate_without_a_loop(subject, prompt, layer, vector, steps):
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        subject.nn.model.layers[layer].output[:] += vector
        ids = tracer.result.save()
    return ids[0, -steps:].tolist()


@wrong("6.2", "You steered only the last position")
def generate_last_position(subject, prompt, layer, vector, steps):
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[:steps]:
            subject.nn.model.layers[layer].output[:, -1] += vector
        ids = tracer.result.save()
    return ids[0, -steps:].tolist()


@wrong("6.2", "the prompt's")
def generate_with_the_prompt(subject, prompt, layer, vector, steps):
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[:steps]:
            subject.nn.model.layers[layer].output[:] += vector
        ids = tracer.result.save()
    return ids[0].tolist()


@wrong("6.2", "after an open-ended `tracer.iter[:]`")
def generate_open_ended(subject, prompt, layer, vector, steps):
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[:]:
            subject.nn.model.layers[layer].output[:] += vector
        ids = tracer.result.save()
    return ids[0, -steps:].tolist()


@wrong("6.2", "your edit did not arrive")
def generate_edits_a_copy(subject, prompt, layer, vector, steps):
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[:steps]:
            residual = subject.nn.model.layers[layer].output
            residual = residual + vector  # a new tensor under the old name
        ids = tracer.result.save()
    return ids[0, -steps:].tolist()


@wrong("6.2", "*receives*")
def generate_edits_the_input(subject, prompt, layer, vector, steps):
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[:steps]:
            subject.nn.model.layers[layer].input[:] += vector
        ids = tracer.result.save()
    return ids[0, -steps:].tolist()


@right("6.2")
def generate_assigns_back(subject, prompt, layer, vector, steps):
    ids = tokens(subject, prompt)
    block = subject.nn.model.layers[layer]
    with subject.nn.generate(ids, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[0:steps]:
            block.output = block.output + vector.to(block.output)
        out = nnsight.save(tracer.result)
    return out[0][ids.shape[1] :]


@right("6.2")
def generate_with_hooks(subject, prompt, layer, vector, steps):
    ids, written, cache = tokens(subject, prompt), [], None
    with subject.blocks[layer].register_forward_hook(lambda m, a, output: output + vector), torch.no_grad():
        for _ in range(steps):
            out = subject.hf(ids, past_key_values=cache, use_cache=True)
            cache, ids = out.past_key_values, out.logits[:, -1:].argmax(-1)
            written.append(ids.item())
    return tuple(written)


@right("6.2")
def generate_reads_the_logits(subject, prompt, layer, vector, steps):
    new = []
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[:steps]:
            subject.nn.model.layers[layer].output[0] += vector  # all positions of text 0, the only one
            new.append(subject.nn.lm_head.output[0, -1].argmax().item())
    return new


# --- 6.3 Your own `with` block --------------------------------------------------------------------------------


@wrong("6.3", "*receives*")
@contextmanager
def adding_before_the_block(subject, layer, vector):
    handle = subject.blocks[layer].register_forward_pre_hook(lambda module, args: (args[0] + vector, *args[1:]))
    try:
        yield
    finally:
        handle.remove()


@wrong("6.3", "What a hook *returns* takes the place")
@contextmanager
def adding_returns_nothing(subject, layer, vector):
    def hook(module, args, output):
        output = output + vector

    handle = subject.blocks[layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@wrong("6.3", "when the block ended with an error")
@contextmanager
def adding_without_finally(subject, layer, vector):
    handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: output + vector)
    yield
    handle.remove()


@wrong("6.3", "Steer all of them")
@contextmanager
def adding_to_the_last_token(subject, layer, vector):
    def hook(module, args, output):
        output = output.clone()
        output[:, -1] += vector
        return output

    handle = subject.blocks[layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@wrong("6.3", "You return the hook's handle")
def adding_gives_the_handle(subject, layer, vector):
    return subject.blocks[layer].register_forward_hook(lambda module, args, output: output + vector)


@wrong("6.3", "your block swallows it")
@contextmanager
def adding_swallows(subject, layer, vector):
    handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: output + vector)
    try:
        yield
    except Exception as error:
        print("stopped by", type(error).__name__)
    finally:
        handle.remove()


@right("6.3")
class Adding:
    """A context manager written out."""

    def __init__(self, subject, layer, vector):
        self.block, self.vector = subject.blocks[layer], vector

    def __enter__(self):
        self.handle = self.block.register_forward_hook(self.add)
        return self

    def __exit__(self, *error):
        self.handle.remove()

    def add(self, module, args, output):
        steered = output.clone()
        steered[:, :] += self.vector
        return steered


@right("6.3")
def adding_by_a_stack(subject, layer, vector):
    stack = ExitStack()
    stack.enter_context(subject.blocks[layer].register_forward_hook(lambda module, args, output: output.add_(vector)))
    return stack


def add(vector, module, args, output):
    return (output.double() + vector.double()).to(output.dtype)


@right("6.3")
@contextmanager
def adding_by_the_handle_itself(subject, layer, vector):
    with subject.hf.model.layers[layer].register_forward_hook(partial(add, vector)) as handle:
        yield handle


# --- 6.4 Own word against the others --------------------------------------------------------------------------


@wrong("6.4", "turn it around")
def gap_turned(matrix, order):
    own = matrix[np.arange(len(matrix)), order]
    others = (matrix.sum() - own.sum()) / (matrix.size - len(own))
    return others - own.mean()


@wrong("6.4", "you counted the own words too")
def gap_to_all(matrix, order):
    return matrix[np.arange(len(matrix)), order].mean() - matrix.mean()


@wrong("6.4", "the mean of the own words alone")
def gap_of_own_words(matrix, order):
    return matrix[np.arange(len(matrix)), order].mean()


@wrong("6.4", "You always take the diagonal")
def gap_of_the_diagonal(matrix, order):
    n = len(matrix)
    return np.diag(matrix).mean() - matrix[~np.eye(n, dtype=bool)].mean()


@wrong("6.4", "Row and column are swapped")
def gap_swapped(matrix, order):
    own = np.zeros(matrix.shape, dtype=bool)
    own[order, range(len(matrix))] = True
    return matrix[own].mean() - matrix[~own].mean()


@wrong("6.4", "A value for each emotion")
def gap_of_each(matrix, order):
    own = matrix[np.arange(len(matrix)), order]
    return own - (matrix.sum(axis=1) - own) / (len(matrix) - 1)


@right("6.4")
def gap_by_a_mask(matrix, order):
    own = np.asarray(order)[:, None] == np.arange(matrix.shape[1])
    return matrix[own].mean() - matrix[~own].mean()


@right("6.4")
def gap_in_loops(matrix, order):
    own, others = [], []
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            (own if j == order[i] else others).append(value)
    return sum(own) / len(own) - sum(others) / len(others)


@right("6.4")
def gap_by_torch(matrix, order):
    values = torch.tensor(matrix[:, order])  # the own words come to the diagonal
    others = values - torch.diag(torch.diagonal(values))
    return values.diagonal().mean() - others.sum() / (values.numel() - len(values))


# --- 6.5 What a text costs ------------------------------------------------------------------------------------


def logs_and_ids(subject, prompt, text):
    """Log probabilities of what follows each token, the ids, and how many of them are the prompt's."""
    ids = tokens(subject, prompt + text)
    with torch.no_grad():
        logs = subject.hf(ids).logits[0].float().log_softmax(dim=-1)
    return logs, ids[0], tokens(subject, prompt).shape[1]


@wrong("6.5", "Perplexity is exp of it")
def price_without_exp(subject, prompt, text):
    logs, ids, n = logs_and_ids(subject, prompt, text)
    return -logs[n - 1 : -1].gather(1, ids[n:, None]).mean()


@wrong("6.5", "The prompt's tokens are in it")
def price_of_everything(subject, prompt, text):
    ids = tokens(subject, prompt + text)
    with torch.no_grad():
        return subject.hf(ids, labels=ids).loss.exp().item()


@wrong("6.5", "You took the text without its prompt")
def price_without_the_prompt(subject, prompt, text):
    ids = tokens(subject, text)
    with torch.no_grad():
        return subject.hf(ids, labels=ids).loss.exp()


@wrong("6.5", "Off by one")
def price_off_by_one(subject, prompt, text):
    logs, ids, n = logs_and_ids(subject, prompt, text)
    return (-logs[range(n, len(ids)), ids[n:]].mean()).exp()


@wrong("6.5", "The text's first token is missing")
def price_without_the_first_token(subject, prompt, text):
    logs, ids, n = logs_and_ids(subject, prompt, text)
    return torch.exp(torch.nn.functional.cross_entropy(logs[n:-1], ids[n + 1 :]))


@wrong("6.5", "You took exp first and the mean then")
def price_mean_of_exp(subject, prompt, text):
    logs, ids, n = logs_and_ids(subject, prompt, text)
    return (-logs[n - 1 : -1].gather(1, ids[n:, None])).exp().mean()


@right("6.5")
def price_by_labels(subject, prompt, text):
    ids = tokens(subject, prompt + text)
    labels = ids.clone()
    labels[:, : tokens(subject, prompt).shape[1]] = -100
    with torch.inference_mode():
        return subject.hf(input_ids=ids, labels=labels).loss.exp()


@right("6.5")
def price_token_by_token(subject, prompt, text):
    context, costs = subject.tokenizer(prompt)["input_ids"], []
    for i in subject.tokenizer(text)["input_ids"]:
        with torch.inference_mode():
            logits = subject.hf(torch.tensor([context], device=subject.device)).logits[0, -1]
        costs.append(math.log(logits.double().softmax(dim=0)[i]))
        context.append(i)
    return math.prod(math.exp(cost) for cost in costs) ** (-1 / len(costs))


@right("6.5")
def price_by_a_trace(subject, prompt, text):
    ids = tokens(subject, prompt + text)
    n = tokens(subject, prompt).shape[1]
    with torch.no_grad(), subject.nn.trace(ids):
        logits = subject.nn.lm_head.output.save()
    costs = torch.nn.functional.cross_entropy(logits[0, n - 1 : -1].float(), ids[0, n:], reduction="sum")
    return np.exp(costs.cpu().numpy() / (ids.shape[1] - n))


# --- 6.6 A compass of feeling words ---------------------------------------------------------------------------


@wrong("6.6", "counts in radians")
def compass_in_degrees(rows, valence, arousal, degrees):
    right = torch.nn.functional.normalize(valence @ rows, dim=0)
    up = arousal @ rows
    up = torch.nn.functional.normalize(up - (up @ right) * right, dim=0)
    return math.cos(degrees) * right + math.sin(degrees) * up


@wrong("6.6", "The two axes are not at a right angle")
def compass_askew(rows, valence, arousal, degrees):
    right, up = valence @ rows, arousal @ rows
    right, up = right / right.norm(), up / up.norm()
    angle = math.radians(degrees)
    return math.cos(angle) * right + math.sin(angle) * up


@wrong("6.6", "Cosine belongs to valence, sine to arousal")
def compass_from_north(rows, valence, arousal, degrees):
    right, up = valence @ rows, arousal @ rows
    right = right / right.norm()
    up = up - (up @ right) * right
    angle = math.radians(degrees)
    return math.sin(angle) * right + math.cos(angle) * up / up.norm()


@wrong("6.6", "*after* its part along valence is out")
def compass_unit_too_early(rows, valence, arousal, degrees):
    right, up = valence @ rows, arousal @ rows
    right, up = right / right.norm(), up / up.norm()
    up = up - (up @ right) * right
    angle = math.radians(degrees)
    return math.cos(angle) * right + math.sin(angle) * up


@wrong("6.6", "Make the direction unit length")
def compass_of_any_length(rows, valence, arousal, degrees):
    right, up = valence @ rows, arousal @ rows
    up = up - (up @ right) / (right @ right) * right
    angle = math.radians(degrees)
    return math.cos(angle) * right + math.sin(angle) * up


@wrong("6.6", "before that had length 1")
def compass_projects_on_a_long_vector(rows, valence, arousal, degrees):
    right, up = valence @ rows, arousal @ rows
    up = up - (up @ right) * right
    angle = math.radians(degrees)
    return math.cos(angle) * right / right.norm() + math.sin(angle) * up / up.norm()


@right("6.6")
def compass_by_numpy(rows, valence, arousal, degrees):
    axes = np.stack([valence.numpy(), arousal.numpy()]) @ rows.numpy()
    basis, triangle = np.linalg.qr(axes.T)
    basis = basis * np.sign(np.diag(triangle))  # QR may turn an axis around
    return basis @ [np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))]


@right("6.6")
def compass_by_projection(rows, valence, arousal, degrees):
    right, up = rows.T.double() @ valence.double(), rows.T.double() @ arousal.double()
    up = up - (up @ right) / (right @ right) * right
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.cos(angle) * right / right.norm() + torch.sin(angle) * up / up.norm()


@right("6.6")
def compass_by_turning(rows, valence, arousal, degrees):
    east, north = torch.nn.functional.normalize(torch.stack([valence, arousal]) @ rows, dim=1)
    north = north - torch.outer(east, east) @ north
    turn = complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    return east.mul(turn.real).add(north / torch.linalg.vector_norm(north), alpha=turn.imag)
