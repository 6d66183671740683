"""Exercise 2.4: find what neutral text varies in."""

import numpy as np
import torch
from jaxtyping import Float
from sklearn.decomposition import PCA
from torch import Tensor

from emovec_lite.course.chapters.c02_stories_to_vectors.stories import falling, passages_of
from emovec_lite.course.exercise import Exercise


def neutral_basis(values: Float[Tensor, "text d_model"], variance: float) -> Float[Tensor, "component d_model"]:
    _, singular, components = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
    share = (singular**2).cumsum(0) / (singular**2).sum()
    return components[: int((share < variance).sum()) + 1]


def reached_exactly() -> Tensor:
    """Passages whose components hold 25, 16 and 9 parts of 50, which no decomposition has to round.

    The deviations are integers after rows of zeros, at right angles; of 33 passages the mean is an integer as well,
    and 32 is a power of two.
    """
    deviations = torch.kron(torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]), torch.diag(torch.tensor([3.0, 4.0, 5.0])))
    return torch.cat([torch.zeros(21, 3), deviations]) + torch.tensor([8.0, -3.0, 2.0])


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    shares = [0.6, 0.25, 0.15]
    slow = np.linspace(1.2, 0.8, 10) / 10
    return {
        "one component": (passages_of(rng, 6, 3, shares), 0.3),
        "just below a share": (passages_of(rng, 6, 3, shares), 0.59),
        "just above it": (passages_of(rng, 6, 3, shares), 0.61),
        "less than a thousandth below a share": (passages_of(rng, 6, 3, shares), 0.5995),
        "less than a thousandth above it": (passages_of(rng, 6, 3, shares), 0.6005),
        "a share reached exactly": (reached_exactly(), 0.5),
        "all components": (passages_of(rng, 7, 3, shares), 0.99),
        "eight of ten components": (passages_of(rng, 20, 12, slow), 0.8),
        "20 of 26 components": (passages_of(rng, 40, 30, np.linspace(1.3, 0.7, 26) / 26), 0.81),
        "as many passages as dimensions": (passages_of(rng, 5, 5, falling(rng, 4)), 0.9),
        "more dimensions than passages": (passages_of(rng, 6, 40, falling(rng, 5)), 0.8),
    }


def draw(rng: np.random.Generator) -> tuple[Tensor, float]:
    n, d_model = (int(x) for x in rng.integers(4, 16, size=2))
    shares = falling(rng, min(n - 1, d_model))
    wanted = int(rng.integers((shares > 0.03).sum()))  # well between two shares, so that rounding decides nothing
    return passages_of(rng, n, d_model, shares), float(shares[:wanted].sum() + rng.uniform(0.1, 0.9) * shares[wanted])


def span(rows: np.ndarray) -> np.ndarray | dict[str, object]:
    """What does not depend on signs, or on how the rows lie within what they span."""
    if rows.ndim != 2:
        return rows
    inner, outer = (product.round(6) + 0.0 for product in (rows @ rows.T, rows.T @ rows))
    return {"rows": len(rows), "rows @ rows.T": inner, "rows.T @ rows": outer}


def keep(components: Tensor, variances: Tensor, share: float, more: int = 1) -> Tensor:
    held = variances.cumsum(0) / variances.sum()
    return components[: int((held < share).sum()) + more]


def after(prepare, choose=lambda u, s, vh, share: keep(vh, s**2, share)):
    """What `choose` takes from the SVD of the prepared passages."""
    return lambda values, variance: choose(*torch.linalg.svd(prepare(values), full_matrices=False), variance)


def centred(choose):
    return after(lambda values: values - values.mean(dim=0), choose)


def exceeded(u: Tensor, s: Tensor, vh: Tensor, share: float) -> Tensor:
    return vh[: int(((s**2).cumsum(0) / (s**2).sum() <= share).sum()) + 1]


def by_sklearn(values: Tensor, variance: float) -> Tensor:
    pca = PCA(svd_solver="full").fit(values.numpy())
    held = np.cumsum(pca.explained_variance_ratio_)
    return torch.from_numpy(pca.components_[: np.searchsorted(held, variance) + 1])


def by_numpy(values: Tensor, variance: float) -> Tensor:
    power, directions = np.linalg.eigh(np.cov(values.numpy(), rowvar=False))
    power, directions = power[::-1], directions.T[::-1]
    return torch.tensor(directions[: np.argmax(power.cumsum() >= variance * power.sum()) + 1].copy())


def in_a_loop(values: Tensor, variance: float) -> Tensor:
    deviations = values - values.mean(0, keepdim=True)
    total, held, rows = deviations.square().sum(), 0.0, []
    _, singular, directions = torch.linalg.svd(deviations)
    for size, direction in zip(singular, directions, strict=False):
        rows.append(-direction)  # the sign is free
        held += size**2 / total
        if held >= variance:
            break
    return torch.stack(rows).half()


exercise = Exercise(
    "2.4", "Find what neutral text varies in", difficulty=4, importance=3, minutes=12, axes="component d_model",
    reference=neutral_basis, edges=edges, draw=draw, view=span,
    mistakes={
        "You take half of the variance whatever is asked for: the share is `variance`.": centred(
            lambda u, s, vh, share: keep(vh, s**2, 0.5)
        ),
        "The mean passage was not subtracted first, so the first component points at the mean "
        "itself.": after(lambda values: values),
        "You subtracted each passage's own mean over d_model. Subtract the mean *passage*, "
        "`values.mean(dim=0)`.": after(lambda values: values - values.mean(dim=1, keepdim=True)),
        "You divided by standard deviations as well. Subtract the mean passage, and nothing "
        "else.": after(lambda values: (values - values.mean(dim=0)) / values.std(dim=0)),
        "You counted with the singular values themselves. Variance goes with their "
        "*square*.": centred(lambda u, s, vh, share: keep(vh, s, share)),
        "One component too few: together they do not yet hold that share. Count on until it is "
        "reached.": centred(lambda u, s, vh, share: keep(vh, s**2, share, more=0)),
        "One component too many: the share is held by one "
        "less.": centred(lambda u, s, vh, share: keep(vh, s**2, share, more=2)),
        "Where the share is reached *exactly*, you take one component too many: *at least* means `share < variance` is "
        "still too little, and equal is enough. (`PCA(n_components=variance)` of scikit-learn does this to "
        "you.)": centred(exceeded),
        "That is the first component only. Take as many as the share needs.": centred(lambda u, s, vh, share: vh[:1]),
        "Those are all the components. Take as many as the share needs.": centred(lambda u, s, vh, share: vh),
        "Those are the passages' scores (the columns of U). The directions are the rows of "
        "Vh.": centred(lambda u, s, vh, share: keep(u.T, s**2, share)),
        "The rows are not of length 1. Use the rows of Vh as they come, not multiplied by the singular "
        "values.": centred(lambda u, s, vh, share: keep(s[:, None] * vh, s**2, share)),
        "Those are rows of V: the directions are its columns, which are the rows of Vh. (`torch.svd` gives V, "
        "`torch.linalg.svd` gives Vh; `eigh` has them in columns as "
        "well.)": centred(lambda u, s, vh, share: keep(vh.T, s**2, share)),
        "The components are in columns. Transpose them: one row for each.": lambda *args: neutral_basis(*args).T,
        "The rows are orthonormal, but not the directions of most variance: QR takes the passages in the order in which "
        "they come. Use the SVD.": lambda values, variance: (
            torch.linalg.qr((values - values.mean(dim=0)).T)[0].T[: len(neutral_basis(values, variance))]
        ),
        "Those are the directions in which the passages vary *least*, as many as are "
        "wanted.": centred(lambda u, s, vh, share: vh[-len(keep(vh, s**2, share)) :]),
        "You count from the smallest: `eigh` begins with the direction of *least* variance.": lambda values, variance: (
            keep((found := torch.linalg.eigh(torch.cov(values.T)))[1].T, found[0], variance)
        ),
    },
    equivalent={
        "_, singular, components = torch.linalg.svd(values - values.mean(dim=0))": "the first rows of Vh are the same",
        "_, singular, components = torch.linalg.svd(values - values.mean(dim=0), full_matrices=True)": "likewise",
        "share = (singular ** 2).cumsum(-1) / (singular ** 2).sum()": "one axis: the last is axis 0",
        "return components[:(share < variance).sum() + 1]": "a tensor of one number slices like a number",
    },
    right=[by_sklearn, by_numpy, in_a_loop],
    discuss="Half of the variance is a choice. How would you find out whether the results hang on it? Which other texts "
    "could have served as \"neutral\", and what would they have taken out?",
)  # fmt: skip
