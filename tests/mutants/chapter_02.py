"""Answers to the exercises of chapter 02 as learners write them."""

from collections import defaultdict
from functools import partial

import numpy as np
import torch
from sklearn.decomposition import PCA

from emovec_lite.course.exercises_02 import centre, mean_pool, neutral_basis, remove
from tests.mutants import right, wrong


def batch_of(subject, texts, side="right"):
    subject.tokenizer.padding_side = side
    return subject.tokenizer(list(texts), padding=True, return_tensors="pt")


# --- 2.1 Pool a batch of stories ------------------------------------------------------------------------------


@wrong("2.1", "You averaged over padding, and from the first token on")
def pool_everything(residual, mask, skip):
    return residual.mean(dim=1)


@wrong("2.1", "You averaged over padding: a story's row changes")
def pool_padding(residual, mask, skip):
    return residual[:, skip:].mean(dim=1)


@wrong("2.1", "changed one of its inputs in place")
def pool_changes_the_mask(residual, mask, skip):
    mask[:, :skip] = False
    return (residual * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


@wrong("2.1", "the skipped ones included")
def pool_divides_by_real_tokens(residual, mask, skip):
    masked = residual * mask.unsqueeze(-1)
    return masked[:, skip:].sum(dim=1) / mask.sum(dim=1).unsqueeze(-1)


@wrong("2.1", "you divided by the padded length")
def pool_zeros_then_means(residual, mask, skip):
    return residual.masked_fill(~mask[:, :, None], 0)[:, skip:].mean(dim=1)


@wrong("2.1", "You averaged over all the stories together")
def pool_by_boolean_index(residual, mask, skip):
    kept = mask.clone()
    kept[:, :skip] = False
    return residual[kept].mean(dim=0)


@right("2.1")
def pool_in_a_loop(residual, mask, skip):
    rows = []
    for story, real in zip(residual, mask, strict=True):
        rows.append(story[skip : int(real.sum())].mean(dim=0))
    return torch.stack(rows)


@right("2.1")
def pool_by_nanmean(residual, mask, skip):
    counts = mask & (torch.arange(mask.shape[1], device=mask.device) >= skip)
    return residual.masked_fill(~counts[..., None], float("nan")).nanmean(dim=1)


@right("2.1")
def pool_by_einsum(residual, mask, skip):
    weights = mask.double().clone()
    weights[:, :skip] = 0
    weights /= weights.sum(dim=1, keepdim=True)
    return torch.einsum("bt,btd->bd", weights, residual.double())


@right("2.1")
def pool_by_numpy(residual, mask, skip):
    hidden = np.repeat(~mask.numpy()[:, skip:, None], residual.shape[-1], axis=2)
    return np.ma.masked_array(residual.numpy()[:, skip:], hidden).mean(axis=1).data


# --- 2.2 Read a batch in a trace ------------------------------------------------------------------------------


@wrong("2.2", "The padding stands on the left")
def stories_padded_left(subject, texts, layer, skip):
    batch = batch_of(subject, texts, side="left")
    with subject.nn.trace(batch):
        residual = subject.nn.model.layers[layer].output.save()
    return mean_pool(residual.float().cpu(), batch["attention_mask"].bool(), skip)


@wrong("2.2", "You averaged over padding")
def stories_without_mask(subject, texts, layer, skip):
    with subject.nn.trace(batch_of(subject, texts)):
        residual = subject.nn.model.layers[layer].output[:, skip:].mean(dim=1).save()
    return residual


@wrong("2.2", "You did not skip the first tokens")
def stories_without_skip(subject, texts, layer, skip):
    batch = batch_of(subject, texts)
    with subject.nn.trace(batch):
        residual = subject.nn.model.layers[layer].output.save()
    mask = batch["attention_mask"][..., None]
    return (residual.cpu() * mask).sum(1) / mask.sum(1)


@wrong("2.2", "receives")
def stories_by_hidden_states(subject, texts, layer, skip):
    batch = batch_of(subject, texts).to(subject.device)
    with torch.inference_mode():
        states = subject.hf(**batch, output_hidden_states=True).hidden_states
    return mean_pool(states[layer], batch["attention_mask"].bool(), skip)


@wrong("2.2", "unless you call `.save()` on it inside")
def stories_not_saved(subject, texts, layer, skip):
    batch = batch_of(subject, texts)
    with subject.nn.trace(batch) as tracer:
        residual = subject.nn.model.layers[layer].output
        tracer.stop()
    return mean_pool(residual, batch["attention_mask"].bool(), skip)


@wrong("2.2", "Your hook is still on the model")
def stories_by_a_hook_left_on(subject, texts, layer, skip):
    pooled = []
    batch = batch_of(subject, texts).to(subject.device)
    mask = batch["attention_mask"].bool()
    subject.blocks[layer].register_forward_hook(lambda m, a, out: pooled.append(mean_pool(out, mask, skip)))
    subject.hf(**batch)
    return pooled[0]


@right("2.2")
def stories_one_by_one(subject, texts, layer, skip):
    rows = []
    for text in texts:
        with subject.nn.trace(text) as tracer:
            rows.append(subject.nn.model.layers[layer].output[0, skip:].mean(dim=0).save())
            tracer.stop()
    return torch.stack(rows)


@right("2.2")
def stories_without_attention_mask(subject, texts, layer, skip):
    batch = batch_of(subject, texts)  # to the right of a decoder's text, padding needs no mask
    with subject.nn.trace(batch["input_ids"]):
        residual = subject.nn.model.layers[layer + 1].input.save()
    return mean_pool(residual.double(), batch["input_ids"] != subject.tokenizer.pad_token_id, skip)


@right("2.2")
def stories_with_a_hook(subject, texts, layer, skip):
    batch = batch_of(subject, texts).to(subject.device)
    pooled = {}

    def pool(module, args, output):
        pooled["rows"] = mean_pool(output, batch["attention_mask"].bool(), skip)

    with subject.blocks[layer].register_forward_hook(pool), torch.no_grad():
        subject.hf(**batch)
    return pooled["rows"].float().cpu().numpy()


# --- 2.3 Centre -----------------------------------------------------------------------------------------------


def means_of(values, labels):
    return torch.stack([values[[x == emotion for x in labels]].mean(dim=0) for emotion in sorted(set(labels))])


@wrong("2.3", "Those are the plain means, not centred")
def centre_plain_means(values, labels):
    return means_of(values, labels)


@wrong("2.3", "You subtracted the mean over *stories*")
def centre_on_stories(values, labels):
    return means_of(values - values.mean(dim=0), labels)


@wrong("2.3", "Sort them")
def centre_in_order_of_appearance(values, labels):
    means = torch.stack([values[[x == e for x in labels]].mean(0) for e in dict.fromkeys(labels)])
    return means - means.mean(0)


@wrong("2.3", "The sign is turned round")
def centre_minus_each(values, labels):
    means = means_of(values, labels)
    return means.mean(dim=0) - means


@wrong("2.3", "You took the mean over d_model")
def centre_over_d_model(values, labels):
    means = means_of(values, labels)
    return means - means.mean(dim=1, keepdim=True)


@wrong("2.3", "ask each label")
def centre_compares_the_list(values, labels):
    means = torch.stack([values[labels == emotion].mean(dim=0) for emotion in sorted(set(labels))])
    return means - means.mean(dim=0)


@right("2.3")
def centre_by_matrix(values, labels):
    emotions = sorted(set(labels))
    member = torch.tensor([[float(x == e) for x in labels] for e in emotions])
    means = member @ values.float() / member.sum(dim=1, keepdim=True)
    return means - means.mean(dim=0, keepdim=True)


@right("2.3")
def centre_by_numpy(values, labels):
    names, index = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, index, values.numpy())
    means = sums / np.bincount(index)[:, None]
    return means - means.mean(axis=0)


@right("2.3")
def centre_by_dictionary(values, labels):
    groups = defaultdict(list)
    for row, label in zip(values, labels, strict=True):
        groups[label].append(row)
    means = {label: sum(rows) / len(rows) for label, rows in groups.items()}
    common = sum(means.values()) / len(means)
    return torch.stack([means[label] - common for label in sorted(means)])


# --- 2.4 Find what neutral text varies in ---------------------------------------------------------------------


def keep(components, variances, share):
    held = variances.cumsum(0) / variances.sum()
    return components[: int((held < share).sum()) + 1]


@wrong("2.4", "mean 0 first")
def basis_not_centred(values, variance):
    _, s, vh = torch.linalg.svd(values, full_matrices=False)
    return keep(vh, s**2, variance)


@wrong("2.4", "*square* of the singular values")
def basis_of_singular_values(values, variance):
    _, s, vh = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
    return keep(vh, s, variance)


@wrong("2.4", "One component too few")
def basis_stops_short(values, variance):
    _, s, vh = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
    return vh[: int(((s**2).cumsum(0) / (s**2).sum() < variance).sum())]


@wrong("2.4", "columns of U")
def basis_of_scores(values, variance):
    u, s, _ = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
    return keep(u.T, s**2, variance)


@wrong("2.4", "not multiplied by the singular values")
def basis_scaled(values, variance):
    _, s, vh = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
    return keep(s[:, None] * vh, s**2, variance)


@wrong("2.4", "rows of V")
def basis_of_the_old_svd(values, variance):
    _, s, v = torch.svd(values - values.mean(dim=0))  # gives V, not Vh
    return keep(v, s**2, variance)


@right("2.4")
def basis_by_sklearn(values, variance):
    return PCA(n_components=variance, svd_solver="full").fit(values.numpy()).components_


@right("2.4")
def basis_by_covariance(values, variance):
    power, directions = torch.linalg.eigh(torch.cov(values.double().T))
    return keep(directions.flip(1).T, power.flip(0), variance)


@right("2.4")
def basis_by_numpy(values, variance):
    power, directions = np.linalg.eigh(np.cov(values.numpy(), rowvar=False))
    power, directions = power[::-1], directions.T[::-1]  # largest first; strides are negative
    return directions[: np.argmax(power.cumsum() >= variance * power.sum()) + 1]


@right("2.4")
def basis_in_a_loop(values, variance):
    deviations = values - values.mean(0, keepdim=True)
    total, held, rows = deviations.square().sum(), 0.0, []
    _, singular, directions = torch.linalg.svd(deviations)  # full_matrices
    for size, direction in zip(singular, directions, strict=False):
        rows.append(-direction)  # the sign is free
        held += size**2 / total
        if held >= variance:
            break
    return torch.stack(rows)


# --- 2.5 Project it out ---------------------------------------------------------------------------------------


@wrong("2.5", "You kept the part along the basis")
def remove_keeps_the_part(vectors, basis):
    return (vectors @ basis.T) @ basis


@wrong("2.5", "Did a loop start from the original vectors at every turn?")
def remove_starts_anew(vectors, basis):
    for row in basis:
        cleaned = vectors - (vectors @ row)[:, None] * row
    return cleaned


@wrong("2.5", "changed one of its inputs in place")
def remove_in_place(vectors, basis):
    for row in basis:
        vectors -= torch.outer(vectors @ row, row)
    return vectors


@wrong("2.5", "Those are the coordinates along the basis")
def remove_gives_coordinates(vectors, basis):
    return vectors @ basis.T


@wrong("2.5", "You scaled the rows to length 1")
def remove_and_normalise(vectors, basis):
    return torch.nn.functional.normalize(vectors - vectors @ basis.T @ basis, dim=-1)


@wrong("2.5", "You removed the first component only")
def remove_one(vectors, basis):
    first = basis[0]
    return vectors - (vectors @ first).unsqueeze(-1) * first


@right("2.5")
def remove_by_projector(vectors, basis):
    projector = torch.eye(basis.shape[1], dtype=torch.float64) - basis.double().T @ basis.double()
    return vectors.double() @ projector


@right("2.5")
def remove_in_a_loop(vectors, basis):
    left = vectors.clone()
    for row in basis:
        left -= torch.einsum("ed,d->e", left, row).outer(row)
    return left


@right("2.5")
def remove_by_least_squares(vectors, basis):
    coordinates, *_ = np.linalg.lstsq(basis.numpy().T, vectors.numpy().T, rcond=None)
    return vectors.numpy() - (basis.numpy().T @ coordinates).T


# --- 2.6 Emotion vectors by hand ------------------------------------------------------------------------------


@wrong("2.6", "Centred, but not denoised")
def vectors_not_denoised(stories, labels, neutral):
    return centre(stories, labels)


@wrong("2.6", "Denoised, but not centred")
def vectors_not_centred(stories, labels, neutral):
    return remove(means_of(stories, labels), neutral_basis(neutral, 0.5))


@wrong("2.6", "You found the components in the *stories*")
def vectors_denoised_by_stories(stories, labels, neutral):
    return remove(centre(stories, labels), neutral_basis(stories, 0.5))


@wrong("2.6", "You subtracted the neutral passages' mean")
def vectors_centred_on_neutral(stories, labels, neutral):
    return remove(means_of(stories, labels) - neutral.mean(dim=0), neutral_basis(neutral, 0.5))


@wrong("2.6", "You removed only the first component")
def vectors_without_one_component(stories, labels, neutral):
    first = torch.linalg.svd(neutral - neutral.mean(0), full_matrices=False).Vh[:1]
    return remove(centre(stories, labels), first)


@wrong("2.6", "You scaled the rows to length 1")
def vectors_of_unit_length(stories, labels, neutral):
    vectors = remove(centre(stories, labels), neutral_basis(neutral, 0.5))
    return vectors / vectors.norm(dim=1, keepdim=True)


@right("2.6")
def vectors_denoised_first(stories, labels, neutral):
    return centre(remove(stories, neutral_basis(neutral, 0.5)), labels)


@right("2.6")
def vectors_in_one_piece(stories, labels, neutral):
    stories, neutral = stories.double().numpy(), neutral.double().numpy()
    pca = PCA(n_components=0.5, svd_solver="full").fit(neutral)
    means = np.stack([stories[np.array(labels) == emotion].mean(axis=0) for emotion in np.unique(labels)])
    means -= means.mean(axis=0)
    return means - pca.inverse_transform(pca.transform(means + pca.mean_)) + pca.mean_


def _compose(basis, stories, labels, neutral):
    return remove(centre(values=stories, labels=labels), basis=basis(neutral))


vectors_by_a_partial = right("2.6")(partial(_compose, partial(neutral_basis, variance=0.5)))
