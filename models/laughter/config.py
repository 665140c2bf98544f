"""What decides the result of a training but for its data."""

from dataclasses import dataclass, field

from models.laughter.losses import LossConfig


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with a constant rate and clipped gradients."""

    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    clip_norm: float = 1.0


@dataclass(frozen=True)
class TrainingConfig:
    """A whole training.

    Attributes:
        hidden_dim, dropout, standardise: of the head, see `HeadConfig`.
        prior_bias: start from the base rate (or the mean time) of the training set.
        loss, optimizer: see there.
        batch_size: frames of a step, of all processes together.
        max_epochs: at most so many.
        patience: stop after so many epochs without a better one.
        seed: of weights, shuffling and dropout.
    """

    hidden_dim: int | None = None
    dropout: float = 0.5
    standardise: bool = False
    prior_bias: bool = True
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_size: int = 512
    max_epochs: int = 100
    patience: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_epochs", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; wanted at least 1")
