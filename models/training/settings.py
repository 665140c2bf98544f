"""What decides the course of a training, and the machine it runs on."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FitSettings:
    """The course of a training. All of it but how long it goes on decides the result.

    Attributes:
        batch_size: examples of a step, of all processes together.
        max_epochs: at most so many.
        patience: stop after so many epochs without a better one; None: never.
        seed: of shuffling, and of the random numbers that the module draws.
        clip_norm: largest norm of a gradient; None: any. A module with manual optimisation clips itself.
        accumulate: batches whose gradients make one step; of automatic optimisation.
        averaging: decay of the moving average of weights that is validated and kept; None: the weights
            themselves are.
        validation_batch_size: None: as `batch_size`.
        state_every_s: within an epoch the state is written this often, so that a training which is killed
            loses no more; it does not change the result.
    """

    batch_size: int
    max_epochs: int
    patience: int | None = None
    seed: int = 0
    clip_norm: float | None = None
    accumulate: int = 1
    averaging: float | None = None
    validation_batch_size: int | None = None
    state_every_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_epochs", "patience", "accumulate", "validation_batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; wanted at least 1")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm is {self.clip_norm}; wanted more than 0")
        if self.averaging is not None and not 0 <= self.averaging < 1:
            raise ValueError(f"averaging is {self.averaging}; wanted 0 <= averaging < 1")


@dataclass(frozen=True)
class Machine:
    """What a training runs on, in the words of Lightning's Trainer. It should not change the result.

    Attributes:
        accelerator: "cpu", "gpu" or "auto".
        devices: processes that share every batch (DDP).
        precision: such as "32-true" or "bf16-mixed".
        strategy: None: spawned processes if there are several devices.
        all_parameters_used: False where a step may leave some parameters without a gradient, as the two
            steps of adversarial networks do; several processes must know.
    """

    accelerator: str = "auto"
    devices: int = 1
    precision: Any = "32-true"
    strategy: Any = None
    all_parameters_used: bool = True

    @property
    def lightning_strategy(self) -> Any:
        """For Lightning's Trainer."""
        if self.strategy is not None:
            return self.strategy
        if self.devices == 1:
            return "auto"
        return "ddp_spawn" if self.all_parameters_used else "ddp_spawn_find_unused_parameters_true"
