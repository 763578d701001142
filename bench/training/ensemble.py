"""Many seeds at once: their parameters are stacked, and only here does a seed axis exist."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from priorbench.bench.training import random_streams
from priorbench.bench.training.cuda_graph import Recorder, Replayed
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives import Objective
from priorbench.bench.training.pixels import Pixels
from priorbench.registry import suggest_names

PRIOR = "model.prior."
"""What the names of the prior's parameters begin with."""

OBJECTIVE = "objective."
"""What the names of the objective's parameters begin with."""


ADAM = ("lr", "betas", "eps", "weight_decay")
"""Settings of Adam that an objective may have of its own."""


class Loss(nn.Module):
    r"""What is differentiated: a model and its objective, of one seed.

    While the model warms up, a weight w that rises linearly from 0 to 1 is on all of the
    objective L but the reconstruction: :math:`w L - (1 - w) E[\log p(x|z)]`. References: Bowman
    et al. 2016; Sønderby et al. 2016. The gradient of an objective's own networks has it too, which
    Adam does not see but for its first steps.

    Args:
        model: the autoencoder.
        objective: of its training.
        warm_up: share of the training in which w rises; 0 for none of it.
    """

    def __init__(self, model: VAE, objective: Objective, warm_up: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.warm_up = warm_up

    def forward(
        self, x: Tensor, noise: Tensor, dataset_size: int, progress: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss of a batch and its mean log-likelihood, two scalars in nats per image."""
        draw = self.model(x, noise)
        loss, log_likelihood = (
            self.objective(draw, dataset_size, progress),
            draw.log_likelihood,
        )
        if self.warm_up:
            weight = torch.as_tensor(progress / self.warm_up).clamp(max=1).to(loss)
            loss = weight * loss - (1 - weight) * log_likelihood.mean()
        return loss, log_likelihood.detach().mean()


class Ensemble:
    """A block of seeds of one setting, trained together in stacked parameters.

    Each seed has its own initialisation, order of the data and noise, all drawn from its own
    number: alone or in a block it gives the same run, up to floating-point rounding.

    Args:
        build: makes one seed's :class:`Loss`; called under each seed's generator.
        seeds: whole numbers >= 0.
        learning_rate: of Adam; a prior or an objective may have its own.
        device: where the block is trained.
    """

    def __init__(
        self,
        build: Callable[[], Loss],
        seeds: Sequence[int],
        learning_rate: float,
        device: torch.device,
    ) -> None:
        members = [_initialise_member(build, seed).to(device) for seed in seeds]
        self.seeds = torch.tensor(list(seeds), device=device)
        self.template = members[0]
        self._pristine = copy.deepcopy(members[0])
        self.parameters, self.buffers = stack_module_state(members)
        self.optimizer = self._adam(learning_rate)
        self._order = (-1, self.seeds)
        self._pixels: Pixels | None = None
        self._recorder = Recorder(device) if device.type == "cuda" else None
        self._replayed = self._unrecorded()

    def __len__(self) -> int:
        return len(self.seeds)

    def step(
        self, pixels: Pixels, batch_size: int, epoch: int, position: int, epochs: int
    ) -> tuple[Tensor, Tensor]:
        """One optimiser step on batch ``position`` of ``epoch``.

        Nothing crosses from one seed to another, a loss that is not finite included.

        Returns:
            Loss and mean log-likelihood of every seed, each (seeds,), in nats per image.
        """
        steps = len(pixels) // batch_size
        order = self._epoch_order(epoch, len(pixels))
        rows = order[:, position * batch_size : (position + 1) * batch_size]
        number, progress = epoch * steps + position, (epoch + position / steps) / epochs
        if pixels is not self._pixels:  # a recorded step holds on to its images
            self._pixels, self._replayed = pixels, self._unrecorded()
        if self._replayed is None:
            return self._update(rows, number, progress)
        return self._replayed(self._update, rows, number, progress)

    def _update(
        self, rows: Tensor, number: int | Tensor, progress: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """The step itself, which on a GPU is recorded: nothing in it waits for the device.

        Args:
            rows: images of each seed's batch, (seeds, batch).
            number: of the step, from 0.
            progress: share of the training that is done.
        """
        x, prior = self._pixels[rows], self.template.model.prior
        shape = (rows.shape[1], prior.posterior.noise_dim(prior.latent_dim))
        noise = random_streams.draw_normal(
            self.seeds, random_streams.NOISE, number, shape
        )
        losses, log_likelihoods = self.losses(x, noise, len(self._pixels), progress)
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach(), log_likelihoods

    def _unrecorded(self) -> Replayed | None:
        """What records the step of the seeds that are in the block; None on a CPU."""
        if self._recorder is None:
            return None
        parts = self.template.objective, self.template.model.prior
        return Replayed(
            self._recorder, " with ".join(type(part).__name__ for part in parts)
        )

    def keep(self, alive: Tensor) -> None:
        """Take the seeds out of the block for which ``alive``, bool (seeds,), is false."""
        self.seeds = self.seeds[alive]
        self._replayed = self._unrecorded()
        self._order = (self._order[0], self._order[1][alive])
        self.buffers = {name: buffer[alive] for name, buffer in self.buffers.items()}
        names = {parameter: name for name, parameter in self.parameters.items()}
        for group in self.optimizer.param_groups:
            kept = []
            for parameter in group["params"]:
                state = self.optimizer.state.pop(parameter, {})
                smaller = parameter.detach()[alive].requires_grad_(
                    parameter.requires_grad
                )
                self.optimizer.state[smaller] = {
                    key: value[alive] if value.shape == parameter.shape else value
                    for key, value in state.items()
                }
                self.parameters[names[parameter]] = smaller
                kept.append(smaller)
            group["params"] = kept

    def member(self, index: int) -> VAE:
        """The trained model of the seed at ``index`` of the block, a module of its own."""
        loss = copy.deepcopy(self._pristine)
        with torch.no_grad():
            for name, value in [*loss.named_parameters(), *loss.named_buffers()]:
                stacked = self.parameters if name in self.parameters else self.buffers
                value.copy_(stacked[name][index])
        return loss.model.eval()

    def losses(
        self, x: Tensor, noise: Tensor, dataset_size: int, progress: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss and mean log-likelihood of every seed, each (seeds,), in nats per image.

        Args:
            x: images of each seed's batch, (seeds, batch, pixels).
            noise: standard normal, (seeds, batch, noise_dim).
            dataset_size: number of images that the batches were drawn from.
            progress: share of the training that is done, a tensor where the step is recorded.
        """

        def of_one(parameters: dict, buffers: dict, x: Tensor, noise: Tensor) -> tuple:
            return functional_call(
                self.template, (parameters, buffers), (x, noise, dataset_size, progress)
            )

        if len(self) > 1:
            return vmap(of_one)(self.parameters, self.buffers, x, noise)
        # a block of one needs no batched products, which are slower on a CPU
        alone = [
            {k: v.squeeze(0) for k, v in d.items()}
            for d in (self.parameters, self.buffers)
        ]
        loss, log_likelihood = of_one(*alone, x.squeeze(0), noise.squeeze(0))
        return loss[None], log_likelihood[None]

    def _epoch_order(self, epoch: int, size: int) -> Tensor:
        if self._order[0] != epoch:
            self._order = (
                epoch,
                random_streams.draw_permutation(self.seeds, epoch, size),
            )
        return self._order[1]

    def _adam(self, learning_rate: float) -> torch.optim.Adam:
        """Adam over the stacked parameters: elementwise, so each seed's own Adam."""
        prior, objective = self.template.model.prior, self.template.objective
        own = {
            PRIOR + name: {} if rate is None else {"lr": rate}
            for name, rate in prior.learning_rates().items()
        }
        own |= {
            OBJECTIVE + name: options
            for name, options in _check_options(objective).items()
        }
        alike: dict[tuple, list[Tensor]] = {}
        for name, parameter in self.parameters.items():
            options = {"lr": learning_rate, **own.get(name, {})}
            alike.setdefault(tuple(sorted(options.items())), []).append(parameter)
        groups = [
            {"params": parameters, **dict(options)}
            for options, parameters in alike.items()
        ]
        # to be recorded, its count of steps must stay on the device
        return torch.optim.Adam(
            groups,
            lr=learning_rate,
            fused=True,
            capturable=self.seeds.device.type == "cuda",
        )


def _check_options(objective: Objective) -> dict[str, dict[str, Any]]:
    """The objective's own settings of Adam, by its parameters' names.

    Raises:
        ValueError: a name that is none of its parameters, or a setting that Adam has not.
    """
    found, names = {}, [name for name, _ in objective.named_parameters()]
    for name, options in objective.optimizer_options().items():
        if name not in names:
            raise ValueError(
                f"{type(objective).__name__}.optimizer_options() has no parameter "
                f"{name!r}; {suggest_names(name, names)}"
            )
        for key in options:
            if key not in ADAM:
                raise ValueError(
                    f"{type(objective).__name__}.optimizer_options() of {name!r}: "
                    f"Adam takes {', '.join(ADAM)}; got {key!r}"
                )
        found[name] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in options.items()
        }
    return found


def _initialise_member(build: Callable[[], Loss], seed: int) -> Loss:
    """One member, initialised on the CPU from ``seed`` alone; the global generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
