"""Every method's gradient against its paper's own formula, in float64, on priors known in closed form.

The oracle knows nothing of the package: its scores are derivatives of torch.distributions' mixture densities,
and the formulas are written in noise predictions as the papers have them. Where scores are linear (one
Gaussian a prompt) the expectation over noise is the formula at zero noise: an analytic value. On mixtures it
is a Monte-Carlo estimate.
"""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from guidance.still import Still
from pydantic import TypeAdapter
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from dreamlab.guidance import CFGConfig, GuidanceConfig, NoiseConfig

DOUBLE = torch.float64
LEVEL, SCALE, PROGRESS = 0.55, 3.0, 0.25
ALPHA, SIGMA = math.cos(LEVEL * math.pi / 2), math.sin(LEVEL * math.pi / 2)
POINT = torch.tensor([0.4, 0.3], dtype=DOUBLE)
SOURCE = torch.tensor([-0.8, 0.1], dtype=DOUBLE)

LINEAR = [(1.0, 0.2, 0.6, "red"), (-1.0, 0.0, 0.6, "blue"), (0.0, -1.0, 0.6, "bad")]
CURVED = [(1.0, 0.2, 0.4, "red"), (0.2, 1.2, 0.5, "red"), (-1.0, 0.0, 0.7, "blue"), (0.0, -1.0, 0.3, "bad")]


class Oracle:
    """Noise predictions of a mixture, by differentiating its density."""

    def __init__(self, parts):
        self.parts = parts

    def eps(self, z: Tensor, level: float | Tensor, text: str, image: Tensor | None = None) -> Tensor:
        """-sigma * grad log p(z | text); with an image, of x given also image = x + 0.5 eps'."""
        level = torch.as_tensor(level, dtype=DOUBLE).expand(len(z))
        alpha, sigma = torch.cos(level * math.pi / 2)[:, None], torch.sin(level * math.pi / 2)[:, None]
        chosen = [p for p in self.parts if text in (p[3], "")]
        mean = torch.tensor([p[:2] for p in chosen], dtype=DOUBLE).expand(len(z), -1, 2)
        std = torch.tensor([p[2] for p in chosen], dtype=DOUBLE).expand(len(z), -1)
        weight = torch.zeros_like(std)
        if image is not None:
            # x | image is again a mixture: product of Gaussians, component by component.
            precision = std**-2 + 0.5**-2
            evidence = Normal(mean, (std**2 + 0.25).sqrt()[..., None]).log_prob(image[:, None]).sum(-1)
            mean = (mean / std[..., None] ** 2 + image[:, None] / 0.25) / precision[..., None]
            weight, std = evidence, precision.rsqrt()
        spread = ((alpha * std) ** 2 + sigma**2).sqrt()[..., None].expand_as(mean)
        density = MixtureSameFamily(
            Categorical(logits=weight), Independent(Normal(alpha[..., None] * mean, spread), 1)
        )
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            (score,) = torch.autograd.grad(density.log_prob(z).sum(), z)
        return -sigma * score

    def cfg(self, z, level, text, scale=SCALE, base="bad"):
        uncond = self.eps(z, level, base)
        return uncond + scale * (self.eps(z, level, text) - uncond)


def noised(x, noise, level=LEVEL):
    level = torch.as_tensor(level, dtype=DOUBLE).expand(len(x))[:, None]
    return torch.cos(level * math.pi / 2) * x + torch.sin(level * math.pi / 2) * noise


def dreamfusion(o: Oracle, x, noise, u):
    return SIGMA**2 * (o.cfg(noised(x, noise), LEVEL, "red") - noise)


def jacobian_chaining(o, x, noise, u):
    s = SIGMA / ALPHA  # VE: x + s n, D = x + s n - s eps_hat
    denoised = x + s * noise - s * o.cfg(noised(x, noise), LEVEL, "red")
    return -(denoised - x) / s


def jacobian_chaining_with_noise(o, x, noise, u):
    s = SIGMA / ALPHA
    denoised = x + s * noise - s * o.cfg(noised(x, noise), LEVEL, "red")
    return -(denoised - (x + s * noise)) / s


def mvdream(o, x, noise, u):
    z = noised(x, noise)
    x0, plain = ((z - SIGMA * e) / ALPHA for e in (o.cfg(z, LEVEL, "red"), o.eps(z, LEVEL, "red")))
    factor = plain.std(1, keepdim=True) / x0.std(1, keepdim=True)
    return x - (0.5 * factor * x0 + 0.5 * x0)


def variational(o, x, noise, u):  # before any training the score model is the prior itself
    z = noised(x, noise)
    return SIGMA**2 * (o.cfg(z, LEVEL, "red") - o.eps(z, LEVEL, "red"))


def classifier(o, x, noise, u):  # a quarter of the way: the negative prompt has a quarter of the reference
    z = noised(x, noise)
    reference = 0.75 * o.eps(z, LEVEL, "") + 0.25 * o.eps(z, LEVEL, "bad")
    return SIGMA**2 * SCALE * (o.eps(z, LEVEL, "red") - reference)


def classifier_at_the_end(o, x, noise, u):
    z = noised(x, noise)
    return SIGMA**2 * SCALE * (o.eps(z, LEVEL, "red") - o.eps(z, LEVEL, "bad"))


def noise_free_high(o, x, noise, u):
    z = noised(x, noise)
    empty = o.eps(z, LEVEL, "")
    return SIGMA**2 * (empty - o.eps(z, LEVEL, "bad") + SCALE * (o.eps(z, LEVEL, "red") - empty))


def noise_free_low(o, x, noise, u):
    z = noised(x, noise)
    empty = o.eps(z, LEVEL, "")
    return SIGMA**2 * (empty + SCALE * (o.eps(z, LEVEL, "red") - empty))


def asynchronous(o, x, noise, u):
    later = LEVEL + 0.5 * u[:, 0] * (LEVEL - 0.02)
    return SIGMA**2 * (o.cfg(noised(x, noise), LEVEL, "red") - o.eps(noised(x, noise, later), later, "red"))


def delta(o, x, noise, u):
    source = noised(SOURCE.expand_as(x), noise)
    return SIGMA**2 * (o.cfg(noised(x, noise), LEVEL, "red") - o.cfg(source, LEVEL, "blue"))


def anchored(o, x, noise, u):
    z = noised(x, noise)
    return SIGMA**2 * (o.cfg(z, LEVEL, "red") - o.eps(z, LEVEL, "", image=x))


def rectified(o, x, noise, u):
    z = noised(x, noise)
    eps_hat = o.cfg(z, LEVEL, "red")
    flow = eps_hat - (z - SIGMA * eps_hat) / ALPHA
    return flow - (noise - x)


def rectified_reversed(o, x, noise, u):
    z = noised(x, noise)
    eps_hat = o.eps(z, LEVEL, "red")
    flow = eps_hat - (z - SIGMA * eps_hat) / ALPHA
    return rectified(o, x, noise + ALPHA * (flow + x - noise), u)


def walk(o, x, levels, output):
    """DDIM inversion in noise predictions: x0 = (z - sigma eps) / alpha, z' = alpha' x0 + sigma' eps."""
    z = torch.cos(levels[0] * math.pi / 2)[:, None] * x
    for now, then in pairwise(levels):
        a, s = torch.cos(now * math.pi / 2)[:, None], torch.sin(now * math.pi / 2)[:, None]
        eps = output(z, now)
        z = (
            torch.cos(then * math.pi / 2)[:, None] * (z - s * eps) / a
            + torch.sin(then * math.pi / 2)[:, None] * eps
        )
    return z


def interval(o, x, noise, u):
    first, lower = 0.01, LEVEL - 0.1
    levels = [torch.full((len(x),), first + (lower - first) * i / 3, dtype=DOUBLE) for i in range(4)]
    z_s = walk(o, x, levels, lambda z, t: o.eps(z, t, ""))
    z_t = walk_on(o, z_s, lower, LEVEL)
    return SIGMA / ALPHA * (o.cfg(z_t, LEVEL, "red") - o.eps(z_s, lower, ""))


def walk_on(o, z, now, then):
    eps = o.eps(z, now, "")
    x0 = (z - math.sin(now * math.pi / 2) * eps) / math.cos(now * math.pi / 2)
    return math.cos(then * math.pi / 2) * x0 + math.sin(then * math.pi / 2) * eps


def inverted(o, x, noise, u):
    top = LEVEL + u[:, 0] / 4
    levels = [0.01 + (top - 0.01) * i / 4 for i in range(5)]
    z = walk(o, x, levels, lambda z, t: o.cfg(z, t, "red", scale=-2.0))
    a, s = torch.cos(top * math.pi / 2)[:, None], torch.sin(top * math.pi / 2)[:, None]
    found = (z - a * x) / s
    z = a * x + s * (0.91**0.5 * found + 0.3 * noise)
    return x - (z - s * o.cfg(z, top, "red")) / a


CASES = {
    "sds": ({"kind": "sds", "weighting": "sigma2"}, dreamfusion),
    "sjc": ({"kind": "sjc"}, jacobian_chaining),
    "sjc with noise": ({"kind": "sjc", "variance_reduction": False}, jacobian_chaining_with_noise),
    "x0": ({"kind": "x0", "rescale": 0.5}, mvdream),
    "vsd": ({"kind": "vsd"}, variational),
    "csd": ({"kind": "csd"}, classifier),
    "csd at its end": ({"kind": "csd", "negative_share": 1.0}, classifier_at_the_end),
    "nfsd high": ({"kind": "nfsd"}, noise_free_high),
    "nfsd low": ({"kind": "nfsd", "denoised_below": 0.6}, noise_free_low),
    "asd": ({"kind": "asd", "shift": 0.5}, asynchronous),
    "dds": ({"kind": "dds", "source_prompt": "blue"}, delta),
    "anchords": ({"kind": "anchords"}, anchored),
    "rfds": ({"kind": "rfds"}, rectified),
    "rfds reversed": ({"kind": "rfds", "reverse": True}, rectified_reversed),
    "ism": ({"kind": "ism", "interval": 0.1}, interval),
    "sdi": ({"kind": "sdi", "inversion_scale": -2.0 / 3.0, "inversion_steps": 4}, inverted),
}
# Their scores are linear where a prompt is one Gaussian; the others ask the empty prompt, a mixture.
LINEAR_IN_NOISE = ("sds", "sjc", "sjc with noise", "vsd", "csd at its end", "dds", "rfds", "rfds reversed")


def gradients(name, toy, parts, n):
    """The method's own gradients at n copies of the point, each with its own noise."""
    scene = toy(*parts, negative="bad")
    config = TypeAdapter(GuidanceConfig).validate_python(CASES[name][0])
    guidance = config.build(scene.prior, CFGConfig(text=SCALE), NoiseConfig(t_max=LEVEL))
    guidance.levels = lambda n, progress, generator: torch.full((n,), LEVEL, dtype=DOUBLE)
    if config.kind == "dds":
        guidance.set_source(lambda: Still(SOURCE.expand(n, 2)))
    return scene.tell(guidance, POINT.expand(n, 2), progress=PROGRESS)[0]


@pytest.mark.parametrize("name", list(CASES))
def test_expected_gradient_is_the_papers_formula_averaged(name, toy):
    got, n = gradients(name, toy, CURVED, 4000), 40_000
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn(n, 2, generator=generator, dtype=DOUBLE)
    u = torch.rand(n, 1, generator=generator, dtype=DOUBLE)
    expected = CASES[name][1](Oracle(CURVED), POINT.expand(n, 2), noise, u)
    assert expected.mean(0).norm() > 0.02, "a gradient of zero would prove nothing"
    error = (got.var(0) / len(got) + expected.var(0) / n).sqrt()
    apart = (got.mean(0) - expected.mean(0)).abs()
    assert (apart <= 5 * error + 1e-7).all(), f"{got.mean(0)} against {expected.mean(0)} +- {error}"


@pytest.mark.parametrize("name", LINEAR_IN_NOISE)
def test_expected_gradient_has_its_analytic_value_where_scores_are_linear(name, toy):
    got = gradients(name, toy, LINEAR, 4000)
    none = torch.zeros(1, 2, dtype=DOUBLE)
    expected = CASES[name][1](Oracle(LINEAR), POINT[None], none, none)[0]
    error = got.std(0) / len(got) ** 0.5
    assert ((got.mean(0) - expected).abs() <= 5 * error + 1e-7).all(), f"{got.mean(0)}, {expected}, {error}"


@pytest.mark.parametrize("name", list(CASES))
def test_gradient_is_the_papers_formula_draw_by_draw(name, toy):
    n, generator = 50, torch.Generator().manual_seed(0)
    noise = torch.randn(n, 2, 1, 1, generator=generator).double().flatten(1)
    u = torch.rand(n, generator=generator).double()[:, None]
    if name == "sdi":  # throws the first noise away and draws a share anew
        noise = torch.randn(n, 2, 1, 1, generator=generator).double().flatten(1)
    expected = CASES[name][1](Oracle(CURVED), POINT.expand(n, 2), noise, u)
    assert torch.allclose(gradients(name, toy, CURVED, n), expected, atol=1e-6)


def test_sjc_with_variance_reduction_is_sds_with_unit_weight(toy):
    scene, points = toy(*CURVED), torch.randn(50, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(3))
    build = TypeAdapter(GuidanceConfig).validate_python
    sjc = build({"kind": "sjc"}).build(scene.prior, CFGConfig(text=SCALE))
    sds = build({"kind": "sds", "weighting": "noise"}).build(scene.prior, CFGConfig(text=SCALE))
    assert torch.equal(scene.tell(sjc, points)[0], scene.tell(sds, points)[0])
