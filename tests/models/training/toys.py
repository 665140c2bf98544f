"""Three small trainings of unlike kinds, to be killed and taken up: adversarial, metric, contrastive."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torchmetrics import MeanMetric

from models.metrics.retrieval import retrieval_metrics
from models.training.examples import ExampleData, padding_mask
from models.training.fit import Fitted, fit
from models.training.miners import semi_hard_negatives
from models.training.packed import ExampleShard, PackedExamples, ShardedExamples, write_packed
from models.training.progress import Kept, Monitor
from models.training.randomness import seeded
from models.training.samplers import MPerClass
from models.training.schedules import Schedule
from models.training.settings import FitSettings, Machine
from models.training.whole_sets import WholeSetModule

N_CLASSES = 8


class Adversaries(WholeSetModule):
    """A generator of points in the plane against a discriminator: two optimizers, both clipped."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
        self.discriminator = nn.Sequential(
            nn.Linear(2, 16), nn.LeakyReLU(), nn.Dropout(0.2), nn.Linear(16, 1)
        )

    def configure_optimizers(self):
        networks = (self.generator, self.discriminator)
        optimizers = [torch.optim.Adam(n.parameters(), lr=1e-2, betas=(0.5, 0.9)) for n in networks]
        schedule = Schedule("cosine", warmup_steps=5, total_steps=40, floor=0.1)
        return optimizers, [schedule.scheduler(optimizer) for optimizer in optimizers]

    def training_step(self, batch, batch_idx):
        real = batch["point"]
        fake = self.generator(torch.randn_like(real))
        optimizers = self.optimizers()
        scores = self.discriminator(real), self.discriminator(fake.detach())
        told_apart = functional.relu(1 - scores[0]).mean() + functional.relu(1 + scores[1]).mean()
        self._step(optimizers[1], told_apart)
        self._step(optimizers[0], -self.discriminator(fake).mean())
        for scheduler in self.lr_schedulers():
            scheduler.step()
        self.log(
            "train_told_apart", told_apart, on_step=False, on_epoch=True, batch_size=len(real), sync_dist=True
        )
        self.log(
            "train_largest", fake.abs().max(), on_step=False, on_epoch=True, reduce_fx="max", sync_dist=True
        )

    def _step(self, optimizer, loss):
        self.toggle_optimizer(optimizer)
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, gradient_clip_val=0.5, gradient_clip_algorithm="norm")
        optimizer.step()
        self.untoggle_optimizer(optimizer)

    def validation_step(self, batch, batch_idx):
        noise = torch.linspace(-2, 2, 2 * len(batch["point"])).view(-1, 2)
        self.keep("val", real=batch["point"], fake=self.generator(noise))

    def measure(self, stage, outputs):
        return {"distance": float((outputs["real"].mean(dim=0) - outputs["fake"].mean(dim=0)).norm())}


class Metric(WholeSetModule):
    """Sequences of a class lie together: mined triplets, validated by retrieval."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 8))

    def configure_optimizers(self):
        return Schedule(warmup_steps=4).configure(torch.optim.AdamW(self.parameters(), lr=2e-2))

    def embed(self, batch):
        mask = padding_mask(batch["frames_lengths"])[..., None]
        pooled = (self.encoder(batch["frames"]) * mask).sum(dim=1) / batch["frames_lengths"][:, None]
        return functional.normalize(pooled, dim=1)

    def training_step(self, batch, batch_idx):
        embeddings, labels = self.embed(batch), batch["label"]
        distances = 1 - embeddings @ embeddings.T
        found = semi_hard_negatives(distances.detach(), labels, margin=0.3)
        apart = distances[found.anchor, found.positive] - distances[found.anchor, found.negative]
        self.log("train_mined", float(len(found)), on_step=False, on_epoch=True, batch_size=len(labels))
        return functional.relu(apart + 0.3).sum() / max(len(found), 1)

    def validation_step(self, batch, batch_idx):
        self.keep("val", embeddings=self.embed(batch), labels=batch["label"])

    def measure(self, stage, outputs):
        return retrieval_metrics(outputs["embeddings"], outputs["labels"]).values()


class Contrastive(WholeSetModule):
    """Two views of a thing find each other among those of all processes; measured while training, too."""

    def __init__(self) -> None:
        super().__init__()
        self.towers = nn.ModuleDict({"sound": nn.Linear(12, 6), "text": nn.Linear(10, 6)})
        self.log_scale = nn.Parameter(torch.tensor(1.5))
        self.agreement = MeanMetric()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=2e-2, betas=(0.9, 0.98))

    def embed(self, batch):
        return [functional.normalize(self.towers[name](batch[name]), dim=1) for name in ("sound", "text")]

    def training_step(self, batch, batch_idx):
        sound, text = self.embed(batch)
        self.agreement.update((sound * text).sum(dim=1).detach())
        self.keep("train", embeddings=torch.cat([sound, text]), labels=batch["thing"].repeat(2))
        if self.trainer.world_size > 1:
            sound, text = (self.all_gather(x, sync_grads=True).flatten(0, 1) for x in (sound, text))
        logits = sound @ text.T * self.log_scale.exp()
        loss = functional.cross_entropy(logits, torch.arange(len(logits)))
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(logits), sync_dist=True)
        return loss

    def on_train_epoch_end(self):
        self.log("train_agreement", self.agreement.compute(), sync_dist=True)
        self.agreement.reset()
        super().on_train_epoch_end()

    def validation_step(self, batch, batch_idx):
        sound, text = self.embed(batch)
        self.keep("val", embeddings=torch.cat([sound, text]), labels=batch["thing"].repeat(2))

    def measure(self, stage, outputs):
        return retrieval_metrics(outputs["embeddings"], outputs["labels"], hits=(1,)).values()


def points(seed, n=96):
    generator = torch.Generator().manual_seed(seed)
    return [{"point": p} for p in torch.randn(n, 2, generator=generator) * 0.3 + torch.tensor([2.0, -1.0])]


def sequences(seed, n=96):
    """Sequences of 5 to 20 frames around the centre of their class, beside louder features of their own."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(N_CLASSES, 6, generator=torch.Generator().manual_seed(0))
    examples = []
    for index in range(n):
        length = int(torch.randint(5, 21, (1,), generator=generator))
        frames = centres[index % N_CLASSES] + torch.randn(length, 6, generator=generator)
        frames[:, 3:] = 2 * torch.randn(3, generator=generator)
        examples.append({"frames": frames, "label": torch.tensor(index % N_CLASSES)})
    return examples


def cropped(example, random):
    """Four frames or more, from anywhere."""
    length = len(example["frames"])
    kept = int(random.integers(4, length + 1))
    start = int(random.integers(length - kept + 1))
    return {**example, "frames": example["frames"][start : start + kept]}


def views(seed, n=96):
    generator = torch.Generator().manual_seed(seed)
    see = torch.randn(4, 22, generator=torch.Generator().manual_seed(0))
    seen = torch.randn(n, 4, generator=generator) @ see
    return [
        {"sound": row[:12], "text": row[12:], "thing": torch.tensor(index)} for index, row in enumerate(seen)
    ]


def sharded(folder: Path, examples, size=16):
    shards = []
    for start in range(0, len(examples), size):
        path = folder / f"{start}.safetensors"
        count = write_packed(path, examples[start : start + size], padded=["frames"])
        shards.append(ExampleShard(path.name, count, lambda path=path: PackedExamples(path)))
    return ShardedExamples(shards, keep_open=3)


def train(kind: str, folder: Path, machine: Machine | None = None, state_every_s=4.0, **options) -> Fitted:
    """One of the three; `folder` gets their data too, where they are in files."""
    with seeded(7):
        module = {"adversarial": Adversaries, "metric": Metric, "contrastive": Contrastive}[kind]()
    settings = {"batch_size": 8, "max_epochs": 3, "seed": 5, "state_every_s": state_every_s}
    if kind == "adversarial":
        data = ExampleData(points(0)), ExampleData(points(1))
        settings |= {"averaging": 0.8}
        kept, monitor = Kept("generator", {}), Monitor("val_distance", higher_is_better=False)
    elif kind == "metric":
        known = sequences(0)
        labels = [int(example["label"]) for example in known]
        examples = sharded(folder / "examples", known)
        data = (
            ExampleData(examples, MPerClass(labels, m=2), padded=["frames"], prepare=cropped),
            ExampleData(sequences(1), padded=["frames"]),
        )
        settings |= {"accumulate": 2, "clip_norm": 1.0}
        kept, monitor = Kept("encoder", {}), Monitor("val_map", higher_is_better=True)
    else:
        data = ExampleData(views(0), read_ahead=2), ExampleData(views(1, n=95))
        kept, monitor = Kept("towers", {}), Monitor("val_mr1", higher_is_better=False)
    return fit(
        module,
        *data,
        FitSettings(**settings),
        folder / "fit",
        kept=kept,
        monitor=monitor,
        machine=machine or Machine("cpu"),
        **options,
    )
