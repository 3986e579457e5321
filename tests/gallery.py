"""What POT does: its example "Wasserstein unmixing with PyTorch", and barycentres."""

import numpy as np
import ot
import torch


def unmixing_data():
    rng = np.random.RandomState(2)
    target = rng.randn(100, 2) * 0.2
    target[:10, 0] += 1
    target[10:, 1] += 1
    first = rng.randn(50, 2) * 0.2
    first[:, 0] += 1
    second = rng.randn(50, 2) * 0.2
    second[:, 1] += 1
    return [first, second], target


def unmixing_loop(
    sources, target, *, metric="sqeuclidean", learning_rate=2e-3, n_steps=500
):
    """Projected gradient descent as the example writes it; weights and losses."""
    sizes = [len(source) for source in sources]
    masses = np.repeat(np.eye(len(sizes)), sizes, axis=0) / sizes
    cost = torch.tensor(ot.dist(np.concatenate(sources), target, metric=metric))
    masses, b = torch.tensor(masses), torch.tensor(ot.unif(len(target)))
    w = torch.tensor(ot.unif(len(sources)), requires_grad=True)
    losses = []
    for _ in range(n_steps):
        loss = ot.emd2(torch.mv(masses, w), b, cost)
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            w -= learning_rate * w.grad
            w[:] = ot.utils.proj_simplex(w)
        w.grad.zero_()
    return w.detach().numpy(), np.array(losses)


def pots_barycentre(mixtures, weights, start, iterations):
    """The fixed point of a barycentre, with the weights of the start."""
    means, covariances = ot.gmm.gmm_barycenter_fixed_point(
        [mixture.means for mixture in mixtures],
        [mixture.covariances for mixture in mixtures],
        [mixture.weights for mixture in mixtures],
        start.means.copy(),
        start.covariances.copy(),
        weights,
        w_bar=start.weights,
        iterations=iterations,
    )[:2]
    return start._replace(means=means, covariances=covariances)
