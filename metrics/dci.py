"""Disentanglement, completeness and informativeness by gradient-boosted trees."""

from typing import Any

import numpy as np

from priorbench.metrics.arguments import Count, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.rows.boosted_trees import score_trees
from priorbench.metrics.rows.split import SplitRows


@register("dci", headline="dci_disentanglement", needs=("factors",))
def dci(codes: Codes, num_train: Sample = 10_000, num_test: Count = 5_000) -> Scores:
    r"""Return the DCI scores of gradient-boosted trees, each from 0 to 1.

    A classifier of each factor k reads all codes j; its importances are R_jk, the
    decrease of the Friedman impurity, with :math:`\sum_j R_{jk} = 1`. Then

    .. math:: D = \sum_j \rho_j (1 - H_F(P_{j\cdot})), \quad
        C = \sum_k \rho_k (1 - H_d(\tilde P_{\cdot k})), \quad
        I = \frac1F \sum_k a_k

    where P and P~ are R with rows or columns that add up to 1, H_b the entropy to the
    base b, :math:`\rho` the shares of the importance, and a_k the accuracy among the
    test rows, see :mod:`priorbench.metrics.information.importances`.

    D and C of pure noise are near 0; I is about the share of the most frequent value.
    The completeness rises with constant latents, the others stay. A factor that no
    trees can learn counts as much as the others. On groups, a group's importance is the
    sum of its coordinates'; I is the same.

    The value depends on the model: published implementations use random forests,
    Lasso, XGBoost, LightGBM and others, and the same codes get D from 0.05 to 0.95.
    Settings are those of disentanglement_lib, whose trees are those of scikit-learn
    (100 rounds, depth 3, learning rate 0.1); it calls the accuracies errors. It breaks
    ties between codes at random, up to 0.002 apart; here ``codes.seed`` breaks them.
    References: Eastwood and Williams 2018, section 2; Locatello et al. 2019, appendix
    B.

    Args:
        codes: of any posterior; its ``representation`` is read.
        num_train: data points that the trees are trained on.
        num_test: other data points, that the accuracy is of. Where there are too few
            for both, all are shared out in this ratio.

    Returns:
        ``dci_disentanglement``, ``dci_completeness``, ``dci_informativeness`` with
        ``dci_informativeness_se``, its standard error over the test points for the
        fitted trees, and ``dci_importances`` (latent_dim, F), over the factors that are
        counted; ``dci_disentanglement_groups`` and ``dci_completeness_groups`` where
        there are two groups or more, of which one has more than one coordinate. Where
        no code is of any importance D and C are 0. With one latent neither exists, with
        one factor there is no disentanglement: they are left out.

    Raises:
        ValueError: no factor can be counted, or none varies among the training rows.
    """
    from sklearn.ensemble import GradientBoostingClassifier  # takes a second to import

    def fit_trees(
        train_codes: np.ndarray,
        values: np.ndarray,
    ) -> tuple[Any, np.ndarray]:
        trees = GradientBoostingClassifier(random_state=codes.seed)
        trees.fit(train_codes, values)
        return trees, trees.feature_importances_

    rows = SplitRows.from_codes(codes, num_train, num_test)
    return score_trees(codes, rows, fit_trees, "dci")
