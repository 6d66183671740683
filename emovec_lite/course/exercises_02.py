"""Chapter 02, from stories to vectors: the course's own answers, and what an answer must do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Bool, Float

from emovec_lite.course.checks import Answer, NotYet, agree, close, exercise, expect, left_as_it_was, shipped_vectors
from emovec_lite.vectors import centred_means, neutral_components, project_out

if TYPE_CHECKING:
    from torch import Tensor

    from emovec_lite.models import Subject

TEXTS = (
    "The kettle was still warm when she came down, and the chair by the window had been moved.",
    "Nobody had told him about the train.",
    "We carried the boxes up one by one, four flights, and on the last landing the string gave way and every "
    "photograph that her mother had ever kept slid down the stairs.",
)


def mean_pool(
    residual: Float[Tensor, "text token d_model"], mask: Bool[Tensor, "text token"], skip: int
) -> Float[Tensor, "text d_model"]:
    kept = mask.clone()
    kept[:, :skip] = False
    weights = kept / kept.sum(dim=1, keepdim=True)
    return (weights[:, :, None].to(residual.dtype) * residual).sum(dim=1)


def centre(values: Float[Tensor, "text d_model"], labels: Sequence[str]) -> Float[Tensor, "emotion d_model"]:
    return centred_means(values, labels)[0]


def neutral_basis(values: Float[Tensor, "text d_model"], variance: float) -> Float[Tensor, "component d_model"]:
    return neutral_components(values, variance)


def remove(
    vectors: Float[Tensor, "emotion d_model"], basis: Float[Tensor, "component d_model"]
) -> Float[Tensor, "emotion d_model"]:
    return project_out(vectors, basis)


def read_stories(subject: Subject, texts: Sequence[str], layer: int, skip: int) -> Float[Tensor, "text d_model"]:
    subject.tokenizer.padding_side = "right"
    batch = subject.tokenizer(list(texts), padding=True, return_tensors="pt")
    with subject.nn.trace(batch) as tracer:
        residual = subject.nn.model.layers[layer].output.save()
        tracer.stop()
    return mean_pool(residual.float().cpu(), batch["attention_mask"].bool(), skip)


def emotion_vectors(
    stories: Float[Tensor, "text d_model"], labels: Sequence[str], neutral: Float[Tensor, "passage d_model"]
) -> Float[Tensor, "emotion d_model"]:
    return project_out(centre(stories, labels), neutral_components(neutral, 0.5))


@exercise("2.1", "Pool a batch of stories", difficulty=3, importance=5, minutes=10, reference=mean_pool)
def check_mean_pool(answer: Answer) -> Iterator[str]:
    import torch

    from emovec_lite.activations import pad_right

    yield "one row a story"
    generator = torch.Generator().manual_seed(0)
    residual = torch.randn(3, 6, 4, generator=generator)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0]]).bool()
    hints = {
        (6, 4): "You averaged over the stories (dim 0). Average over the tokens of each, dim 1.",
        (3, 6): "You averaged over d_model (the last dim). Average over tokens, dim 1.",
        (4,): "You averaged over all the stories together. Each story keeps a row of its own.",
    }
    got = answer.tensor(residual, mask, 2, shape=(3, 4), axes="text d_model", hints=hints)
    yield "padding and skipped tokens left out"
    kept = mask.clone()
    kept[:, :2] = False
    total = (residual * kept[..., None]).sum(dim=1)
    agree(
        got, mean_pool(residual, mask, 2),
        {
            "You averaged over padding: a story's row changes when a longer story joins its batch. Let only tokens "
            "count where `mask` is True.": residual[:, 2:].mean(dim=1),
            "You averaged over padding, and from the first token on. Let only tokens count where `mask` is True, from "
            "`skip` on.": residual.mean(dim=1),
            "You did not skip: the first `skip` tokens of each story are still in the mean.": mean_pool(
                residual, mask, 0
            ),
            "You skipped one token too few. With skip 2 the first token that counts is token 2, counted from "
            "0.": mean_pool(residual, mask, 1),
            "You skipped one token too many. With skip 2 the first token that counts is token 2, counted from "
            "0.": mean_pool(residual, mask, 3),
            "You lost each story's last token: a slice `a:b` ends before `b`.": torch.stack(
                [row[2 : int(real.sum()) - 1].mean(dim=0) for row, real in zip(residual, mask, strict=True)]
            ),
            "Those are sums. Divide each by its own number of kept tokens.": total,
            "The sum is right, the divisor is not: you divided by all the real tokens, the skipped ones "
            "included.": total / mask.sum(dim=1, keepdim=True),
            "The sum is right, the divisor is not: you divided by the padded length.": total / mask.shape[1],
            "The sum is right, the divisor is not: you divided by the padded length, less `skip`. Zeros count in a "
            "`.mean()`.": total / (mask.shape[1] - 2),
            "The sum is right, the divisor is not: every story has its own number of tokens.": total / kept.sum(),
        },
        "Not the mean over each story's own tokens from `skip` on.",
    )  # fmt: skip
    yield "the same alone and in a batch"
    alone = answer.tensor(residual[1:2, :5], mask[1:2, :5], 2, shape=(1, 4), axes="text d_model")
    expect(close(alone[0], got[1]), "A story's row is another one when the story comes alone: something of the others "
           "leaks in.")  # fmt: skip
    yield "other sizes"
    lengths = [9, 5, 7, 8]
    _, mask = pad_right([[1] * n for n in lengths], 0)
    residual = torch.randn(4, 9, 3, generator=generator)
    got = answer.tensor(residual, mask, 4, shape=(4, 3), axes="text d_model")
    expect(close(got, mean_pool(residual, mask, 4)), "Right for one batch, wrong for another of other lengths.")


@exercise("2.3", "Centre", difficulty=2, importance=5, minutes=8, reference=centre)
def check_centre(answer: Answer) -> Iterator[str]:
    import torch

    from emovec_lite import load_corpus

    yield "one row an emotion"
    # Three emotions: of two, the centred rows are each other's negatives, and a turned sign looks like a wrong order.
    values = torch.tensor([[4.0, 0.0], [6.0, 0.0], [0.0, 9.0], [2.0, 9.0], [4.0, 9.0], [1.0, 4.0]])
    labels = ["sad", "sad", "calm", "calm", "calm", "afraid"]
    hints = {
        (6, 2): "One row for each story. Average the stories of each emotion first.",
        (3, 6, 2): "`labels == emotion` compares the whole list with one word, and is False: ask each label, "
        "`[label == emotion for label in labels]`.",
        (3,): "One row for each emotion: average over its stories (dim 0), not over d_model.",
    }
    got = answer.tensor(values, labels, shape=(3, 2), axes="emotion d_model", hints=hints)
    yield "minus the mean over emotions"
    groups = (values[5:], values[2:5], values[:2])
    plain = torch.stack([group.mean(dim=0) for group in groups])
    want = plain - plain.mean(dim=0)
    agree(
        got, want,
        {
            "Those are the plain means, not centred: what all stories share is still in every row, and it is far "
            "larger than what they differ in.": plain,
            "You subtracted the mean over *stories*. An emotion with more stories then pulls the centre towards "
            "itself; subtract the mean of the emotions' means.": plain - values.mean(dim=0),
            "The rows are in the order in which the emotions appear. Sort them, so that everyone knows which row is "
            "whose.": want.flip(0),
            "Those are sums over stories. Take means.": (s := torch.stack([group.sum(dim=0) for group in groups]))
            - s.mean(dim=0),
            "You scaled the rows to length 1. Lengths say how strongly an emotion sets its stories apart; keep "
            "them.": want / want.norm(dim=1, keepdim=True),
            "The sign is turned round: subtract the common mean from each emotion's, not the other way.": -want,
            "You took the mean over d_model: every row should lose the same *vector*.": plain
            - plain.mean(dim=1, keepdim=True),
        },
        "Not each emotion's mean minus the mean over emotions.",
    )  # fmt: skip
    yield "the course's own stories"
    vectors = shipped_vectors()
    stories, labels = vectors.stories.at(19), load_corpus().labels
    want = centre(stories, labels)
    got = answer.tensor(stories, labels, shape=tuple(want.shape), axes="emotion d_model")
    expect(
        close(got, want) or not close(got.norm(dim=1).sort().values, want.norm(dim=1).sort().values),
        "The rows are right and in another order. Sort the emotions: a `set` has no order of its own, or another one "
        "tomorrow.",
    )
    expect(close(got, want), "Right for six tiny stories, wrong for the course's own 576.")


@exercise("2.4", "Find what neutral text varies in", difficulty=4, importance=3, minutes=12, reference=neutral_basis)
def check_neutral_basis(answer: Answer) -> Iterator[str]:
    import torch

    yield "one row a component"
    # Variances 9 : 4 : 2 along three axes, that is shares .60, .27, .13, around a point far from the origin.
    axes = torch.diag(torch.tensor([9.0, 4.0, 2.0]).sqrt())
    values = torch.zeros(6, 5)
    values[:3, :3], values[3:, :3] = axes, -axes
    values += torch.tensor([0.0, 0.0, 0.0, 20.0, 0.0])
    rotation, _ = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(0)))
    values = values @ rotation.T
    want = neutral_components(values, 0.8)
    hints = {
        (1, 5): "One component too few for a share of .8, if the shares are .60, .27 and .13. Take the fewest that "
        "hold *at least* that share; and mean 0 first, or the mean itself becomes the first component.",
        (
            3,
            5,
        ): "One component too many for a share of .8, if the shares are .60, .27 and .13. Variance goes with the "
        "*square* of the singular values.",
        (5, 2): "The components are in columns: transpose them.",
        (6, 2): "Those are the passages' scores (the columns of U). The directions are the rows of Vh.",
        (2, 6): "Those are the passages' scores (the columns of U). The directions are the rows of Vh.",
    }
    got = answer.tensor(values, 0.8, shape=(2, 5), axes="component d_model", hints=hints)
    yield "orthonormal"
    expect(
        close(got @ got.T, torch.eye(2)),
        "The rows are not orthonormal. Use the rows of Vh as they come, not multiplied by the singular values.",
    )
    yield "the directions that vary most"
    agree(
        got.T @ got, want.T @ want,
        {
            "The mean was not subtracted first, so the first component points at the mean "
            "itself.": (m := torch.linalg.svd(values, full_matrices=False)[2][:2]).T @ m,
            "Those are rows of V: the directions are its columns, which are the rows of Vh. (`torch.svd` gives V, "
            "`torch.linalg.svd` gives Vh; `eigh` has them in columns as well.)": (
                m := torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)[2].T[:2]
            ).T @ m,
            "Those are the directions in which the passages vary *least*: `eigh` begins with the "
            "smallest.": (m := torch.linalg.eigh(torch.cov(values.T))[1].T[:2]).T @ m,
        },
        "Not the directions in which these passages vary most.",
    )  # fmt: skip
    yield "other shares"
    for share in (0.3, 0.59, 0.62, 0.9):
        want = neutral_components(values, share)
        got = answer.tensor(
            values, share, shape=tuple(want.shape), axes="component d_model",
            hints={
                (len(want) - 1, 5): f"Too few for a share of {share}: count on until the share is reached.",
                (len(want) + 1, 5): f"Too many for a share of {share}: stop as soon as the share is reached.",
            },
        )  # fmt: skip
        expect(close(got.T @ got, want.T @ want), f"Wrong directions for a share of {share}.")


@exercise("2.5", "Project it out", difficulty=2, importance=4, minutes=6, reference=remove)
def check_remove(answer: Answer) -> Iterator[str]:
    import torch

    yield "one row an emotion"
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4, 6, generator=generator)
    basis = torch.linalg.qr(torch.randn(6, 2, generator=generator))[0].T.contiguous()
    hints = {(4, 2): "Those are the coordinates along the basis. Multiply by the basis again to get vectors."}
    got = answer.tensor(vectors, basis, shape=(4, 6), axes="emotion d_model", hints=hints)
    yield "nothing left along the basis"
    want = project_out(vectors, basis)
    along = vectors - want
    agree(
        got, want,
        {
            "You kept the part along the basis. That is what should go.": along,
            "You added the part along the basis once more. Subtract it.": vectors + along,
            "You removed the first component only.": project_out(vectors, basis[:1]),
            "You removed the last component only. Did a loop start from the original vectors at every "
            "turn?": project_out(vectors, basis[1:]),
            "Nothing was removed.": vectors,
            "You scaled the rows to length 1: leave their lengths as they come out.": want
            / want.norm(dim=1, keepdim=True),
        },
        "Not the vectors minus their part along the basis.",
    )  # fmt: skip
    yield "twice is once"
    again = answer.tensor(got.float(), basis, shape=(4, 6), axes="emotion d_model")
    expect(close(again, got), "Removing it a second time changed something: then it was not all gone.")
    yield "one component"
    got = answer.tensor(vectors, basis[:1], shape=(4, 6), axes="emotion d_model")
    expect(close(got, project_out(vectors, basis[:1])), "Wrong when the basis has a single row.")


@exercise("2.2", "Read a batch in a trace", difficulty=4, importance=5, minutes=12, reference=read_stories)
def check_read_stories(answer: Answer, subject: Subject) -> Iterator[str]:
    import torch

    from emovec_lite.activations import mean_activations, pad_right, tokenize

    yield "one row a story"
    layer, skip, n, d = subject.n_layers // 2, 4, len(TEXTS), subject.d_model
    hints = {(d,): "One row for all the stories together. Pool each by itself."}
    with left_as_it_was(subject):
        try:
            got = answer.tensor(subject, TEXTS, layer, skip, shape=(n, d), axes="text d_model", hints=hints)
        except NotYet as problem:
            first = "size of tensor a" in str(problem) or "must match" in str(problem)
            expect(
                not first,
                f"{problem} Did you save `.output[0]`? That is the first story only. Here every story of the batch is "
                "wanted: `.output`, no `[0]`.",
            )
            raise
    yield "just what mean_activations reads"
    reading = mean_activations(subject, TEXTS, skip)
    ids, mask = pad_right(tokenize(subject, TEXTS), subject.tokenizer.pad_token_id, subject.device)

    def raw(ids: Tensor, mask: Tensor) -> Tensor:
        kept = []
        handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: kept.append(output))
        with torch.inference_mode():
            subject.hf(ids, attention_mask=mask.long())
        handle.remove()
        return (kept[0] if hasattr(kept[0], "shape") else kept[0][0]).float().cpu()

    right = raw(ids, mask)
    lengths = mask.sum(dim=1).tolist()
    left_ids, left_mask = (
        torch.stack([row.roll(len(row) - n) for row, n in zip(t, lengths, strict=True)]) for t in (ids, mask)
    )
    left = raw(left_ids, left_mask)
    mask, left_mask = mask.cpu(), left_mask.cpu()
    agree(
        got, reading.at(layer),
        {
            "The padding stands on the left, so \"skip the first tokens\" skipped padding and kept the stories' "
            'beginnings. Set `subject.tokenizer.padding_side = "right"` before you tokenize.': mean_pool(
                left, left_mask, skip
            ),
            "You averaged over padding. The mask that goes with the ids says which tokens are real.": right[
                :, skip:
            ].mean(dim=1),
            "You did not skip the first tokens.": mean_pool(right, mask, 0),
            f"Asked for layer {layer}, you read layer {layer - 1}: what block {layer} receives.": reading.at(layer - 1),
            f"Asked for layer {layer}, you read layer {layer + 1}: off by one.": reading.at(layer + 1),
        },
        "Not the mean over each story's own tokens from `skip` on, at this layer. Exercise 2.1's `mean_pool` does the "
        "pooling; the mask comes with the ids.",
        tolerance=1e-3 if subject.dtype == torch.float32 else 3e-2,
    )  # fmt: skip


@exercise("2.6", "Emotion vectors by hand", difficulty=3, importance=5, minutes=8, reference=emotion_vectors)
def check_emotion_vectors(answer: Answer) -> Iterator[str]:
    import torch

    yield "one row an emotion"
    generator = torch.Generator().manual_seed(0)
    stories = torch.randn(10, 8, generator=generator) + 5
    labels = ["sad", "happy", "calm", "happy", "sad", "calm", "happy", "sad", "sad", "calm"]
    # Shares held .37, .63, .77: half of the variance takes two components, neither one nor three.
    neutral = torch.randn(12, 8, generator=generator) * torch.tensor([2.0, 1.5, 1.5, 1.5, 1, 1, 1, 1]) - 3
    got = answer.tensor(stories, labels, neutral, shape=(3, 8), axes="emotion d_model")
    yield "centred and denoised"
    want, centred = emotion_vectors(stories, labels, neutral), centre(stories, labels)
    plain = centred_means(stories, labels)
    agree(
        got, want,
        {
            "Centred, but not denoised: what neutral text varies in is still there.": centred,
            "Denoised, but not centred: what all stories share is still there.": project_out(
                centred + plain[1], neutral_components(neutral, 0.5)
            ),
            "You found the components in the *stories* and removed those: that throws away the emotions themselves. "
            "Find them in the neutral passages.": project_out(centred, neutral_components(stories, 0.5)),
            "You subtracted the neutral passages' mean. The centre is the mean over emotions; the neutral passages "
            "give only the components.": project_out(
                centred + plain[1] - neutral.mean(dim=0), neutral_components(neutral, 0.5)
            ),
            "You removed the components that hold .9 of the neutral variance. The recipe takes "
            "half.": project_out(centred, neutral_components(neutral, 0.9)),
            "You removed only the first component. Take as many as hold half of the neutral "
            "variance.": project_out(centred, neutral_components(neutral, 1e-6)),
            "You scaled the rows to length 1: leave their lengths as they come out.": want
            / want.norm(dim=1, keepdim=True),
            "You subtracted the mean over *stories*: the centre is the mean of the emotions' means.": project_out(
                centred + plain[1] - stories.mean(dim=0), neutral_components(neutral, 0.5)
            ),
            "The rows are in the order in which the emotions appear. Sort them.": want[[2, 1, 0]],
            "The neutral passages' mean must go before the components are found, or it becomes the first of "
            "them.": project_out(centred, torch.linalg.svd(neutral, full_matrices=False).Vh[:1]),
        },
        "Not each emotion's centred mean with the neutral components, up to half of their variance, projected out.",
    )  # fmt: skip
