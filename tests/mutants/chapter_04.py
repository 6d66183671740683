"""Answers to the exercises of chapter 04 as learners write them."""

import numpy as np
import torch
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.stats import pearsonr
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from tests.mutants import right, wrong

# --- 4.1 Who is like whom -------------------------------------------------------------------------------------


@wrong("4.1", "Those are dot products")
def cosines_not_scaled(vectors):
    return vectors @ vectors.T


@wrong("4.1", "You scaled the *columns* to length 1")
def cosines_of_unit_columns(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=0)
    return unit @ unit.T


@wrong("4.1", "Those are distances")
def cosines_as_distances(vectors):
    return cdist(vectors, vectors, metric="cosine")


@wrong("4.1", "You divided by the whole matrix's norm")
def cosines_by_one_norm(vectors):
    unit = vectors / np.linalg.norm(vectors)
    return unit @ unit.T


@wrong("4.1", "Those are correlations")
def cosines_as_correlations(vectors):
    return np.corrcoef(vectors)


@wrong("4.1", "Compare rows: `unit @ unit.T`")
def cosines_of_dimensions(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit.T @ unit


@right("4.1")
def cosines_by_sklearn(vectors):
    return cosine_similarity(vectors).astype(np.float32)


@right("4.1")
def cosines_in_a_loop(vectors):
    likeness = np.zeros((len(vectors), len(vectors)))
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors):
            likeness[i, j] = a @ b / np.sqrt((a @ a) * (b @ b))
    return likeness


@right("4.1")
def cosines_from_distances(vectors):
    return 1 - squareform(pdist(vectors, "cosine"))


# --- 4.2 Principal components by hand -------------------------------------------------------------------------


@wrong("4.2", "The mean is not subtracted")
def scores_not_centred(vectors, k):
    u, s, _ = np.linalg.svd(vectors, full_matrices=False)
    return (u * s)[:, :k]


@wrong("4.2", "Those are the columns of U")
def scores_without_singular_values(vectors, k):
    return np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[0][:, :k]


@wrong("4.2", "You projected the *uncentred* vectors")
def scores_of_uncentred(vectors, k):
    _, _, vh = np.linalg.svd(vectors - vectors.mean(axis=0))
    return vectors @ vh[:k].T


@wrong("4.2", "Those are the directions")
def scores_are_directions(vectors, k):
    return np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:k]


@wrong("4.2", "with the *least* variance")
def scores_of_the_first_of_eigh(vectors, k):
    x = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(x.T))  # in rising order
    return x @ directions[:, :k]


@wrong("4.2", "the one with most variance comes first")
def scores_of_the_last_of_eigh(vectors, k):
    x = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(x.T @ x)
    return x @ directions[:, -k:]


@right("4.2")
def scores_by_sklearn(vectors, k):
    return PCA(n_components=k, svd_solver="full").fit_transform(vectors)


@right("4.2")
def scores_by_covariance(vectors, k):
    x = vectors - vectors.mean(axis=0)
    size, directions = np.linalg.eigh(np.cov(x, rowvar=False))
    return x @ directions[:, np.argsort(size)[::-1][:k]]


@right("4.2")
def scores_by_torch(vectors, k):
    x = torch.as_tensor(vectors)
    _, _, v = torch.svd(x - x.mean(0))
    return ((x - x.mean(0)) @ -v[:, :k]).numpy()


# --- 4.3 Sign and rank ----------------------------------------------------------------------------------------


def all_r(scores, ratings):
    return np.array([np.corrcoef(column, ratings)[0, 1] for column in scores.T])


@wrong("4.3", "Component 4 has the largest r")
def best_of_signed(scores, ratings):
    r = all_r(scores, ratings)
    return int(r.argmax()) + 1, r.max()


@wrong("4.3", "You count from 0")
def best_from_0(scores, ratings):
    r = abs(all_r(scores, ratings))
    return r.argmax(), r.max()


@wrong("4.3", "The correlation should be an absolute value")
def best_with_its_sign(scores, ratings):
    r = all_r(scores, ratings)
    best = np.argmax(abs(r))
    return best + 1, r[best]


@wrong("4.3", "That is r squared")
def best_squared(scores, ratings):
    shares = [LinearRegression().fit(c[:, None], ratings).score(c[:, None], ratings) for c in scores.T]
    return int(np.argmax(shares)) + 1, max(shares)


@wrong("4.3", "That is component 1, which has most variance")
def best_is_the_first(scores, ratings):
    return 1, abs(np.corrcoef(scores[:, 0], ratings)[0, 1])


@wrong("4.3", "most negative")
def best_is_the_lowest(scores, ratings):
    r = all_r(scores, ratings)  # after the hint that it runs the other way
    return int(r.argmin()) + 1, abs(r.min())


@right("4.3")
def best_in_a_loop(scores, ratings):
    best, found = 0, 0.0
    for number in range(1, scores.shape[1] + 1):
        r = abs(pearsonr(scores[:, number - 1], ratings).statistic)
        if r > found:
            best, found = number, r
    return best, found


@right("4.3")
def best_by_one_matrix(scores, ratings):
    r = np.abs(np.corrcoef(scores, ratings, rowvar=False)[-1, :-1])
    return np.array([r.argmax() + 1, r.max()])


@right("4.3")
def best_by_torch(scores, ratings):
    r = torch.corrcoef(torch.as_tensor(np.vstack([scores.T, ratings])))[-1, :-1].abs()
    return r.argmax() + 1, r.max()


# --- 4.4 Predict the emotion you left out ---------------------------------------------------------------------


@wrong("4.4", "You predict emotions that the fit has seen: leave out")
def ridge_in_sample(vectors, ratings, penalty):
    return Ridge(alpha=penalty).fit(vectors, ratings).predict(vectors)


@wrong("4.4", "Those are the ratings themselves")
def ridge_by_least_squares(vectors, ratings, penalty):
    return vectors @ np.linalg.lstsq(vectors, ratings, rcond=None)[0]


@wrong("4.4", "There is no intercept")
def ridge_without_intercept(vectors, ratings, penalty):
    predicted = []
    for i in range(len(ratings)):
        x, y = np.delete(vectors, i, axis=0), np.delete(ratings, i)
        weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
        predicted.append(vectors[i] @ weights)
    return np.array(predicted)


@wrong("4.4", "is not added back")
def ridge_without_the_mean(vectors, ratings, penalty):
    predicted = np.zeros(len(ratings))
    for i in range(len(ratings)):
        rest = np.arange(len(ratings)) != i
        centre = vectors[rest].mean(axis=0)
        x, y = vectors[rest] - centre, ratings[rest] - ratings[rest].mean()
        predicted[i] = (vectors[i] - centre) @ x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)
    return predicted


@wrong("4.4", "The penalty is not used")
def ridge_without_penalty(vectors, ratings, penalty):
    return cross_val_predict(LinearRegression(), vectors, ratings, cv=LeaveOneOut())


@wrong("4.4", "means of *all* emotions")
def ridge_centred_on_all(vectors, ratings, penalty):
    x, y = vectors - vectors.mean(axis=0), ratings - ratings.mean()
    predicted = np.zeros(len(y))
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        gram = x[rest] @ x[rest].T + penalty * np.eye(len(y) - 1)
        predicted[i] = ratings.mean() + x[i] @ x[rest].T @ np.linalg.solve(gram, y[rest])
    return predicted


@right("4.4")
def ridge_by_sklearn(vectors, ratings, penalty):
    return cross_val_predict(Ridge(alpha=penalty), vectors, ratings, cv=LeaveOneOut())


@right("4.4")
def ridge_by_hat_matrix(vectors, ratings, penalty):
    n = len(ratings)
    x = vectors - vectors.mean(axis=0)
    hat = np.full((n, n), 1 / n) + x @ np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T)
    own = np.diag(hat)
    return (hat @ ratings - own * ratings) / (1 - own)


@right("4.4")
def ridge_in_primal_form(vectors, ratings, penalty):
    vectors, ratings = torch.tensor(vectors), torch.tensor(ratings)
    predicted = []
    for i in range(len(ratings)):
        x, y = torch.cat([vectors[:i], vectors[i + 1 :]]), torch.cat([ratings[:i], ratings[i + 1 :]])
        xc, yc = x - x.mean(0), y - y.mean()
        weights = torch.linalg.inv(xc.T @ xc + penalty * torch.eye(x.shape[1])) @ xc.T @ yc
        predicted.append(y.mean() + (vectors[i] - x.mean(0)) @ weights)
    return torch.stack(predicted)


# --- 4.5 Take valence out of arousal --------------------------------------------------------------------------


@wrong("4.5", "A line through the origin was taken out")
def out_through_the_origin(y, x):
    return y - (x @ y) / (x @ x) * x


@wrong("4.5", "You took y out of x")
def out_the_wrong_way(y, x):
    x, y = x - x.mean(), y - y.mean()
    return x - (x @ y) / (y @ y) * y


@wrong("4.5", "changed one of its inputs in place")
def out_in_place(y, x):
    x -= x.mean()
    y -= y.mean()
    return y - (x @ y) / (x @ x) * x


@wrong("4.5", "You returned the fitted line")
def out_gives_the_line(y, x):
    return np.polyval(np.polyfit(x, y, deg=1), x)


@wrong("4.5", "You used the correlation as the slope")
def out_by_correlation(y, x):
    return y - y.mean() - np.corrcoef(x, y)[0, 1] * (x - x.mean())


@wrong("4.5", "mean of y is still in it")
def out_without_the_mean_of_y(y, x):
    x = x - x.mean()
    return y - (x @ y) / (x @ x) * x


@right("4.5")
def out_by_polyfit(y, x):
    slope, intercept = np.polyfit(x, y, 1)
    return [float(b) - (slope * float(a) + intercept) for a, b in zip(x, y, strict=True)] @ np.eye(len(y))


@right("4.5")
def out_by_sklearn(y, x):
    return y - LinearRegression().fit(x.reshape(-1, 1), y).predict(x.reshape(-1, 1))


@right("4.5")
def out_by_least_squares(y, x):
    design = np.column_stack([np.ones_like(x), x])
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


# --- 4.6 The null for having looked everywhere ----------------------------------------------------------------


def standard(x):
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@wrong("4.6", "The signs are kept")
def null_with_signs(scores, ratings, orders):
    return np.array([(standard(scores) @ standard(ratings)[order]).max() for order in orders])


@wrong("4.6", "You looked at the first component only")
def null_of_pc1(scores, ratings, orders):
    return np.array([abs(standard(scores[:, 0]) @ standard(ratings[order])).max() for order in orders])


@wrong("4.6", "One number for every layer")
def null_of_each_layer(scores, ratings, orders):
    return np.stack([abs(standard(scores) @ standard(ratings[order])).max(axis=-1) for order in orders])


@wrong("4.6", "You looked at the last layer only")
def null_of_the_last_turn(scores, ratings, orders):
    best = []
    for order in orders:
        for layer in scores:  # noqa: B007
            r = max(abs(np.corrcoef(row, ratings[order])[0, 1]) for row in layer)
        best.append(r)
    return np.array(best)


@wrong("4.6", "A single number")
def null_max_of_all(scores, ratings, orders):
    return np.max([abs(standard(scores) @ standard(ratings[order])).max() for order in orders])


@wrong("4.6", "Nothing is permuted")
def null_without_order(scores, ratings, orders):
    return np.array([abs(standard(scores) @ standard(ratings)).max() for _ in orders])


@right("4.6")
def null_in_loops(scores, ratings, orders):
    best = np.zeros(len(orders))
    for p, order in enumerate(orders):
        for layer in scores:
            for component in layer:
                best[p] = max(best[p], abs(pearsonr(component, ratings[order]).statistic))
    return best


@right("4.6")
def null_by_one_product(scores, ratings, orders):
    flat = standard(scores.reshape(-1, scores.shape[-1]))
    return np.abs(standard(ratings[orders]) @ flat.T).max(axis=1)


@right("4.6")
def null_by_torch(scores, ratings, orders):
    scores, ratings = torch.tensor(standard(scores)), torch.tensor(standard(ratings))
    r = torch.einsum("lce,pe->plc", scores, ratings[torch.tensor(orders)])
    return r.abs().amax(dim=(1, 2))
