"""scikit-learn's functions for any array library, on Tensors, differentiated."""

import numpy as np
import pytest
from consuming import M, N, S, V, W, check

pytest.importorskip("scipy")
sklearn = pytest.importorskip("sklearn", minversion="1.8")
from sklearn import metrics, preprocessing
from sklearn.covariance import empirical_covariance
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise
from sklearn.mixture import GaussianMixture
from sklearn.utils import extmath

# A metric that averages over outputs gives a Python float; raw values are an array.
METRICS = (
    "mean_squared_error root_mean_squared_error mean_absolute_error r2_score explained_variance_score "
    "mean_absolute_percentage_error mean_squared_log_error mean_pinball_loss"
)
PAIRWISE = (
    "euclidean_distances cosine_similarity cosine_distances linear_kernel polynomial_kernel rbf_kernel "
    "sigmoid_kernel additive_chi2_kernel chi2_kernel manhattan_distances laplacian_kernel "
    "paired_euclidean_distances paired_cosine_distances"
)
ESTIMATORS = {
    "StandardScaler": lambda x: preprocessing.StandardScaler().fit_transform(x),
    "MinMaxScaler": lambda x: preprocessing.MinMaxScaler().fit_transform(x),
    "MaxAbsScaler": lambda x: preprocessing.MaxAbsScaler().fit_transform(x),
    "Normalizer": lambda x: preprocessing.Normalizer().fit_transform(x),
    "normalize": preprocessing.normalize,
    "PolynomialFeatures": lambda x: preprocessing.PolynomialFeatures().fit_transform(x),
    "PCA": lambda x: PCA(2, svd_solver="full").fit(x).explained_variance_,
    "PCA by covariance": lambda x: PCA(2, svd_solver="covariance_eigh").fit(x).explained_variance_,
    "PCA, transformed": lambda x: abs(PCA(2, svd_solver="full").fit_transform(x)),
    "PCA, its covariance": lambda x: PCA(2, svd_solver="full").fit(x).get_covariance(),
    "QuantileTransformer": lambda x: preprocessing.QuantileTransformer(n_quantiles=4).fit_transform(x),
    "StandardScaler, inverse": lambda x: preprocessing.StandardScaler().fit(x).inverse_transform(x),
    "minmax_scale": preprocessing.minmax_scale,
    "add_dummy_feature": preprocessing.add_dummy_feature,
    "empirical_covariance": empirical_covariance,
    "row_norms": extmath.row_norms,
    "softmax": lambda x: extmath.softmax(x, copy=True),
    "fast_logdet": lambda x: extmath.fast_logdet(x.T @ x),
    "GaussianMixture": lambda x: _mixture().fit(x).means_,
}  # fmt: skip


def _mixture():
    return GaussianMixture(
        1, max_iter=2, covariance_type="diag", init_params="random_from_data", random_state=0
    )


@pytest.fixture(autouse=True)
def _dispatch():
    with sklearn.config_context(array_api_dispatch=True):
        yield


@pytest.mark.parametrize("name", METRICS.split())
def test_metrics(name):
    check(lambda x, y: getattr(metrics, name)(x, y, multioutput="raw_values"), V, W)


@pytest.mark.parametrize("name", PAIRWISE.split())
def test_pairwise(name):
    check(lambda x, y: getattr(pairwise, name)(abs(x), abs(y)), M[:4], N)


@pytest.mark.filterwarnings("ignore")  # about convergence, and a division that is then overwritten
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name):
    check(ESTIMATORS[name], M)


def test_more_estimators():
    check(lambda x: preprocessing.KernelCenterer().fit_transform(x), S)
    check(lambda x, y: Ridge(solver="svd").fit(x, y[:5]).coef_, M, np.append(V, 0.0)[:6])


def test_a_diagonal_that_is_written_through_flat():
    from sklearn.covariance import ledoit_wolf

    check(lambda x: ledoit_wolf(x)[0], M)
