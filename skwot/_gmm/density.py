"""The density of a mixture, as scikit-learn's own estimator."""

from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture

from skwot._gmm.mixtures import Mixture
from skwot._typing import Array


def build_gaussian_mixture(
    mixture: Mixture, random_state: Any, kind: str = "full"
) -> GaussianMixture:
    """scikit-learn's mixture with given parameters, as if it had been fitted.

    Parameters
    ----------
    mixture : Mixture
        With covariances in scikit-learn's shape for their type.
    random_state : int, RandomState instance or None
        Seed of its samples.
    kind : {'full', 'tied', 'diag', 'spherical'}, default='full'
        Type of the covariances.

    Returns
    -------
    GaussianMixture
        Its arrays are those of `mixture`, not copies.

    Raises
    ------
    ValueError
        If a covariance is not positive definite.
    """
    try:
        factors = precision_factors(mixture.covariances, kind)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "A component has a singular covariance, and so no density; "
            "increase reg_covar."
        ) from error
    model = GaussianMixture(
        len(mixture.weights), covariance_type=kind, random_state=random_state
    )
    model.weights_, model.means_, model.covariances_ = mixture
    model.precisions_cholesky_ = factors
    matrices = kind in ("full", "tied")
    model.precisions_ = factors @ factors.swapaxes(-1, -2) if matrices else factors**2
    model.n_features_in_ = mixture.means.shape[1]
    return model


def precision_factors(covariances: Array, kind: str = "full") -> Array:
    """Upper triangular U with ``U U^T`` the inverse of each covariance.

    Parameters
    ----------
    covariances : ndarray of shape (n_components, d, d), (d, d), (n_components, d) \
            or (n_components,)
    kind : {'full', 'tied', 'diag', 'spherical'}, default='full'

    Returns
    -------
    ndarray of the same shape
        Of diagonal covariances, the inverse standard deviations.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a covariance is not positive definite.
    """
    if kind in ("diag", "spherical"):
        if not (covariances > 0).all():
            raise np.linalg.LinAlgError("A variance is not positive.")
        return 1 / np.sqrt(covariances)
    inverses = np.linalg.inv(np.linalg.cholesky(covariances))
    # inv pivots, which leaves rounding in the other triangle.
    return np.tril(inverses).swapaxes(-1, -2)
