import math

import pytest

from priorbench.bench.objectives import BetaVAE, registry


@pytest.mark.parametrize("name", ["beta_tcvae", "capacity"])
def test_one_beta_where_the_loss_is_not_a_sum_over_groups(name):
    with pytest.raises(
        ValueError, match=r"'beta' of .* must be one number, .* got \[1.0, 2.0\]"
    ):
        registry.build(name, beta=(1.0, 2.0))


@pytest.mark.parametrize("beta", [(), (1.0, -1.0), (math.inf, 1.0), (math.nan,)])
def test_wrong_lists_of_betas(beta):
    with pytest.raises(
        ValueError, match="'beta' must be a finite number >= 0, or a list of these; got"
    ):
        BetaVAE(beta)


@pytest.mark.parametrize("name", ["beta_vae", "beta_tcvae", "capacity"])
@pytest.mark.parametrize("beta", [-1.0, math.inf, -math.inf, math.nan])
def test_wrong_beta(name, beta):
    with pytest.raises(ValueError, match="'beta' must be a finite number >= 0"):
        registry.build(name, beta=beta)
