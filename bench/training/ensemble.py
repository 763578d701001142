"""Many seeds trained at once in stacked parameters; no other file has a seed axis."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives.base import Objective, list_adam_options
from priorbench.bench.training.cuda_graph import Recorder, ReplayedFunction
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.training.random_streams import (
    NOISE,
    draw_normal,
    draw_permutation,
)

PRIOR_PREFIX = "model.prior."
"""How the names of the prior's parameters begin."""

OBJECTIVE_PREFIX = "objective."
"""How the names of the objective's parameters begin."""

MODEL_PREFIX = "model."
"""How the names of the model's parameters begin."""

STEP = "step"
"""What of Adam's state is one number, the same for all seeds."""


class Loss(nn.Module):
    r"""The training loss of one seed: a model and its objective.

    While the model warms up, a weight w that rises linearly from 0 to 1 applies to all
    of the objective L but the reconstruction:
    :math:`w L - (1 - w) E[\log p(x|z)]`. It also applies to the gradient of an
    objective's own networks, which Adam does not notice after its first steps.

    References: Bowman et al. 2016; Sønderby et al. 2016.

    Args:
        model: the autoencoder.
        objective: what it is trained with.
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
        """Return the loss of a batch and its mean log-likelihood, in nats per image.

        Args:
            x: images, (batch, pixels).
            noise: standard normal, (batch, noise_dim).
            dataset_size: number of images that the batch was drawn from.
            progress: share of the training that is done, from 0 to 1.
        """
        draw = self.model(x, noise)
        loss = self.objective(draw, dataset_size, progress)
        reconstruction = draw.log_likelihood.mean()
        if self.warm_up:
            share = torch.as_tensor(progress / self.warm_up)
            weight = share.clamp(max=1).to(loss)
            loss = weight * loss - (1 - weight) * reconstruction
        return loss, reconstruction.detach()


class Ensemble:
    """Seeds of one setting, trained together in stacked parameters.

    Each seed has its own initialisation, order of the data and noise, all drawn from
    its own number: alone or among others it gives the same run, up to floating-point
    rounding.

    Args:
        build: makes one seed's :class:`Loss`; called under each seed's generator.
        seeds: whole numbers >= 0.
        learning_rate: Adam's; a prior or an objective may have its own.
        device: where the seeds are trained.

    Attributes:
        seeds: the seeds that are still trained, int64 (seeds,).
        template: the module of which the stacked parameters are many.
        parameters: stacked parameters by name, each (seeds, ...).
        buffers: stacked buffers by name, each (seeds, ...).
        optimizer: Adam over the stacked parameters.
    """

    def __init__(
        self,
        build: Callable[[], Loss],
        seeds: Sequence[int],
        learning_rate: float,
        device: torch.device,
    ) -> None:
        members = []
        for seed in seeds:
            # on the CPU and from the seed alone; the global generator is untouched
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                members.append(build().to(device))
        self.seeds = torch.tensor(list(seeds), device=device)
        self.template = members[0]
        self._pristine = copy.deepcopy(members[0])
        self.parameters, self.buffers = stack_module_state(members)
        self.optimizer = self._make_optimizer(learning_rate)
        self._epoch = -1
        self._order = self.seeds
        self._pixels: Pixels | None = None
        self._recorder = Recorder(device) if device.type == "cuda" else None
        self._replayed_update = self._make_replayed_update()

    def __len__(self) -> int:
        """Return the number of seeds that are still trained."""
        return len(self.seeds)

    @property
    def recorded(self) -> bool:
        """Return whether the step of the present seeds is a recording."""
        replayed = self._replayed_update
        return replayed is not None and replayed.recorded

    def step(
        self, pixels: Pixels, batch_size: int, epoch: int, position: int, epochs: int
    ) -> tuple[Tensor, Tensor]:
        """Take one optimiser step on batch ``position`` of ``epoch``.

        Nothing crosses from one seed to another, a loss that is not finite included.

        Args:
            pixels: the images.
            batch_size: images of a batch.
            epoch: epochs that are done.
            position: steps of this epoch that are done.
            epochs: epochs of the whole training.

        Returns:
            Loss and mean log-likelihood of every seed, each (seeds,), in nats per
            image.
        """
        steps = len(pixels) // batch_size
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = draw_permutation(self.seeds, epoch, len(pixels))
        first = position * batch_size
        last = first + batch_size
        rows = self._order[:, first:last]
        number = epoch * steps + position
        progress = (epoch + position / steps) / epochs
        if pixels is not self._pixels:  # a recorded update holds on to its images
            self._pixels = pixels
            self._replayed_update = self._make_replayed_update()
        if self._replayed_update is None:
            return self._update(rows, number, progress)
        return self._replayed_update(self._update, rows, number, progress)

    def keep(self, alive: Sequence[bool] | np.ndarray | Tensor) -> None:
        """Remove the seeds for which ``alive``, bool (seeds,), is false."""
        alive = torch.as_tensor(alive, device=self.seeds.device)
        self.seeds = self.seeds[alive]
        self._replayed_update = self._make_replayed_update()
        self._order = self._order[alive]
        self.buffers = {name: buffer[alive] for name, buffer in self.buffers.items()}
        names = {parameter: name for name, parameter in self.parameters.items()}
        for group in self.optimizer.param_groups:
            kept = []
            for parameter in group["params"]:
                state = self.optimizer.state.pop(parameter, {})
                smaller = parameter.detach()[alive]
                smaller.requires_grad_(parameter.requires_grad)
                self.optimizer.state[smaller] = {
                    key: value[alive] if value.shape == parameter.shape else value
                    for key, value in state.items()
                }
                self.parameters[names[parameter]] = smaller
                kept.append(smaller)
            group["params"] = kept

    def member(self, index: int) -> VAE:
        """Return the model of the seed at ``index``, a module of its own."""
        stacked = select_names({**self.parameters, **self.buffers}, MODEL_PREFIX)
        return self.make_model({name: value[index] for name, value in stacked.items()})

    @torch.no_grad()
    def make_model(self, values: Mapping[str, Tensor]) -> VAE:
        """Return a model of its own with given parameters and buffers, by name.

        Raises:
            ValueError: they are not those of the model.
        """
        model = copy.deepcopy(self._pristine.model)
        _copy_values(list_tensors(model), values)
        return model.eval()

    def seed_state(self, index: int) -> dict[str, Tensor]:
        """Return all that steps change of the seed at ``index``, by name.

        Random numbers are functions of the seed and the step: no generator is in it.
        """
        state = {}
        for name, value in {**self.parameters, **self.buffers}.items():
            state[f"values/{name}"] = value.detach()[index]
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                own = value if key == STEP else value[index]
                state[f"adam/{key}/{name}"] = own
        return state

    @torch.no_grad()
    def load_states(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Take over the states of all seeds, before the first step.

        Args:
            states: :meth:`seed_state` of each seed, after the same number of steps.

        Raises:
            ValueError: they are not those of these networks.
        """
        stacked = {**self.parameters, **self.buffers}
        for index, state in enumerate(states):
            own = {name: value[index] for name, value in stacked.items()}
            _copy_values(own, select_names(state, "values/"))
        for name in select_names(next(iter(states), {}), "adam/"):
            key, _, parameter = name.partition("/")
            values = [state[f"adam/{name}"] for state in states]
            value = values[0] if key == STEP else torch.stack(values)
            own = self.optimizer.state[self.parameters[parameter]]
            own[key] = value.to(self.seeds.device, copy=True)

    def losses(
        self, x: Tensor, noise: Tensor, dataset_size: int, progress: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and the mean log-likelihood of every seed.

        Args:
            x: images of each seed's batch, (seeds, batch, pixels).
            noise: standard normal, (seeds, batch, noise_dim).
            dataset_size: number of images that the batches were drawn from.
            progress: share of the training that is done, a tensor where the step is
                recorded.

        Returns:
            Two tensors (seeds,), in nats per image.
        """

        def compute_loss(
            parameters: dict, buffers: dict, x: Tensor, noise: Tensor
        ) -> tuple:
            state = (parameters, buffers)
            arguments = (x, noise, dataset_size, progress)
            return functional_call(self.template, state, arguments)

        if len(self) > 1:
            return vmap(compute_loss)(self.parameters, self.buffers, x, noise)
        # one seed needs no batched products, which are slower on a CPU
        parameters, buffers = (
            {name: value.squeeze(0) for name, value in stacked.items()}
            for stacked in (self.parameters, self.buffers)
        )
        loss, log_likelihood = compute_loss(
            parameters, buffers, x.squeeze(0), noise.squeeze(0)
        )
        return loss[None], log_likelihood[None]

    def _update(
        self, rows: Tensor, number: int | Tensor, progress: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update the parameters; a GPU records this: nothing here waits for the device.

        Args:
            rows: images of each seed's batch, (seeds, batch).
            number: the step's number in the training, from 0.
            progress: share of the training that is done.
        """
        x = self._pixels[rows]
        prior = self.template.model.prior
        noise_dim = prior.posterior.noise_dim(prior.latent_dim)
        shape = (rows.shape[1], noise_dim)
        noise = draw_normal(self.seeds, NOISE, number, shape)
        losses, log_likelihoods = self.losses(x, noise, len(self._pixels), progress)
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach(), log_likelihoods

    def _make_replayed_update(self) -> ReplayedFunction | None:
        """Return what records the update of the present seeds; None on a CPU."""
        if self._recorder is None:
            return None
        objective = type(self.template.objective).__name__
        prior = type(self.template.model.prior).__name__
        return ReplayedFunction(self._recorder, f"{objective} with {prior}")

    def _make_optimizer(self, learning_rate: float) -> torch.optim.Adam:
        """Return Adam over the stacked parameters.

        Adam works element by element, so that in effect each seed has its own.
        """
        own: dict[str, dict[str, Any]] = {}
        for name, rate in self.template.model.prior.learning_rates().items():
            if rate is not None:
                own[PRIOR_PREFIX + name] = {"lr": rate}
        for name, options in list_adam_options(self.template.objective).items():
            own[OBJECTIVE_PREFIX + name] = options
        groups: dict[tuple, list[Tensor]] = {}
        for name, parameter in self.parameters.items():
            options = {"lr": learning_rate, **own.get(name, {})}
            groups.setdefault(tuple(sorted(options.items())), []).append(parameter)
        return torch.optim.Adam(
            [
                {"params": parameters, **dict(options)}
                for options, parameters in groups.items()
            ],
            lr=learning_rate,
            fused=True,
            # to be recorded, its count of steps must stay on the device
            capturable=self.seeds.device.type == "cuda",
        )


def list_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module, by name."""
    return dict([*module.named_parameters(), *module.named_buffers()])


def select_names(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return what has a name that begins with ``prefix``, by the rest of its name."""
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }


def _copy_values(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy values into tensors of the same names, in place.

    Raises:
        ValueError: names or shapes are others.
    """
    if tensors.keys() != values.keys():
        raise ValueError(f"other names: {sorted(tensors.keys() ^ values.keys())[:3]}")
    for name, tensor in tensors.items():
        if tensor.shape != values[name].shape:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}; got "
                f"{tuple(values[name].shape)}"
            )
        tensor.copy_(values[name])
