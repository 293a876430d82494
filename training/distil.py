"""Trains the static encoder on the labels of people and on those of the teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from insights_recovery.extractors.local.encoder import PAIRS, Encoder, Layers, terms
from insights_recovery.extractors.local.pieces import Pieces
from training.corpus import SETS, Scheme, Split
from training.teacher import HEADS, Teacher

Table = npt.NDArray[np.float32]
Terms = Sequence[npt.NDArray[np.int64]]

NUMBERS = ("valence", "arousal", "score")
"""The heads behind those of the labels, from 0 to 1."""
WIDTH, HIDDEN = 192, 384
EPOCHS, BATCH, SEED = 10, 128, 7
_RATE, _TABLE_RATE = 2e-3, 5e-3
_PEOPLE, _TEACHER, _ORIGIN = 0.4, 0.6, 0.1
"""How much the three losses count."""
_REPEATS = {"lemotif": 4, "sad": 2}
"""How often a text of a small set comes in an epoch."""
_KEPT = 0.85
"""Share of a text's terms that one step sees."""
_DROPPED = 0.25
_LONGEST = 256
_PAIR_WEIGHT = -2.0
"""Pairs begin as seasoning."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """What is to be learnt, a row per text and a column per head."""

    people: Table
    """What people said, from 0 to 1."""
    known: Table
    """1 where people said something, else 0."""
    teacher: Table
    """What the teacher says."""
    origin: npt.NDArray[np.int64]
    """The set of each text."""


def heads(scheme: Scheme) -> list[tuple[str, str, str]]:
    """Return (set, field, label) of each head of a label, in the order in which they are trained."""
    return [
        (name, field, label) for field, label in scheme.columns for name in SETS if name in scheme.sources(field, label)
    ]


def lessons(scheme: Scheme, split: Split, teacher: Teacher) -> Lessons:
    """Return the lessons of the training texts."""
    labels = heads(scheme)
    people = np.zeros((len(split.texts), len(labels) + len(NUMBERS)), np.float32)
    known, soft = np.zeros_like(people), np.zeros_like(people)
    vectors = teacher.vectors(split.texts)
    for place, (name, field, label) in enumerate(labels):
        rows = split.origin == SETS.index(name)
        known[rows, place] = 1
        people[rows, place] = split.labels[rows, scheme.columns.index((field, label))] == 1
        soft[:, place] = teacher.probability(vectors, HEADS[name, field], scheme.sources(field, label)[name])
    known[:, len(labels) :] = ~np.isnan(split.ratings)
    people[:, len(labels) :] = np.nan_to_num(split.ratings)
    soft[:, len(labels) :] = teacher.numbers(vectors)
    return Lessons(people=people, known=known, teacher=soft, origin=split.origin)


class Network(nn.Module):
    """The encoder while it learns; `insights_recovery.extractors.local.encoder` does the same without torch."""

    def __init__(self, piece_vectors: Table, outputs: int) -> None:
        super().__init__()
        start = torch.zeros(len(piece_vectors) + PAIRS, WIDTH)
        start[: len(piece_vectors)] = torch.tensor(_principal(piece_vectors))
        self.table = nn.Embedding.from_pretrained(start, freeze=False, sparse=True)
        self.weights = nn.Embedding(len(start), 1, sparse=True)
        with torch.no_grad():
            self.weights.weight.zero_()
            self.weights.weight[len(piece_vectors) :] = _PAIR_WEIGHT
        self.hidden = nn.Linear(2 * WIDTH, HIDDEN)
        self.heads = nn.Linear(HIDDEN, outputs)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the log odds of all heads for a batch of texts."""
        vectors, weights = self.table(ids), self.weights(ids)[..., 0]
        shares = torch.softmax(weights.masked_fill(~mask, -1e9), 1)
        mean = (shares[..., None] * vectors).sum(1)
        gated = vectors * torch.sigmoid(weights)[..., None]
        peaks = gated.masked_fill(~mask[..., None], -1e4).max(1).values
        pooled = functional.dropout(torch.cat([mean, peaks], 1), _DROPPED, self.training)
        hidden = functional.gelu(self.hidden(pooled), approximate="tanh")
        odds: torch.Tensor = self.heads(functional.dropout(hidden, _DROPPED, self.training))
        return odds


def train(pieces: Pieces, piece_vectors: Table, texts: Sequence[str], wanted: Lessons) -> Network:
    """Return the trained network; its last heads say of which set a text might be."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    dice = np.random.default_rng(SEED)
    rows = [terms(pieces.numbers(text)[:_LONGEST], len(pieces)) for text in texts]
    network = Network(piece_vectors, wanted.people.shape[1] + len(SETS))
    repeats = np.array([_REPEATS.get(name, 1) for name in SETS])[wanted.origin]
    pool = np.repeat(np.arange(len(rows)), repeats)
    dense = torch.optim.Adam([*network.hidden.parameters(), *network.heads.parameters()])
    sparse = torch.optim.SparseAdam([network.table.weight, network.weights.weight])
    steps = EPOCHS * (len(pool) // BATCH)
    for step, batch in enumerate(_batches(rows, pool, dice)):
        pace = max(0.03, 1 - step / steps)
        dense.param_groups[0]["lr"], sparse.param_groups[0]["lr"] = _RATE * pace, _TABLE_RATE * pace
        loss = _loss(network, rows, wanted, batch)
        dense.zero_grad()
        sparse.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        dense.step()
        sparse.step()
    return network.eval()


def arrays(network: Network, pieces: Pieces, texts: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of `encoder.Layers`, the table in 8 bits and its scale in the hidden layer."""
    table = network.table.weight.detach().numpy()
    scale = np.abs(table).max(0) / 127
    found: dict[str, npt.NDArray[Any]] = {
        "table": np.rint(table / scale).astype(np.int8),
        "weights": network.weights.weight.detach().numpy()[:, 0],
        "hidden": network.hidden.weight.detach().numpy().T * np.concatenate([scale, scale])[:, None],
        "hidden_bias": network.hidden.bias.detach().numpy(),
        "centre": np.zeros(HIDDEN, np.float32),
        "heads": network.heads.weight.detach().numpy().T,
        "heads_bias": network.heads.bias.detach().numpy(),
    }
    encoder = Encoder(pieces, Layers(**found))
    sums = sum(encoder.encode(texts[start : start + BATCH]).vectors.sum(0) for start in range(0, len(texts), BATCH))
    return {**found, "centre": np.asarray(sums, np.float32) / len(texts)}


def _batches(rows: Terms, pool: npt.NDArray[np.int64], dice: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yield all batches of all epochs; a batch holds texts of like length."""
    for _ in range(EPOCHS):
        order = dice.permutation(pool)
        shares = np.array_split(order, max(1, len(order) // (BATCH * 30)))
        order = np.concatenate([share[np.argsort([len(rows[place]) for place in share])] for share in shares])
        for number in dice.permutation(len(order) // BATCH):
            yield order[number * BATCH : (number + 1) * BATCH]


def _loss(network: Network, rows: Terms, wanted: Lessons, batch: npt.NDArray[np.int64]) -> torch.Tensor:
    ids, mask = _filled([rows[place] for place in batch])
    kept = torch.rand(mask.shape) < _KEPT
    kept[:, 0] = True
    odds = network(ids, mask & kept)
    labels = wanted.people.shape[1]
    binary = functional.binary_cross_entropy_with_logits
    people, known, soft = (torch.tensor(table[batch]) for table in (wanted.people, wanted.known, wanted.teacher))
    by_people = (binary(odds[:, :labels], people, reduction="none") * known).sum() / len(batch)
    by_teacher = binary(odds[:, :labels], soft, reduction="none").sum() / len(batch)
    rarity = 1 / np.sqrt(np.bincount(wanted.origin, minlength=len(SETS)))
    origin = functional.cross_entropy(
        odds[:, labels:], torch.tensor(wanted.origin[batch]), torch.tensor(rarity / rarity.mean(), dtype=torch.float32)
    )
    return _PEOPLE * by_people + _TEACHER * by_teacher + _ORIGIN * origin


def _filled(rows: Terms) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids, mask = np.zeros((len(rows), longest), np.int64), np.zeros((len(rows), longest), bool)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = row, True
    return torch.tensor(ids), torch.tensor(mask)


def _principal(vectors: Table) -> Table:
    """Return the vectors in their `WIDTH` principal directions, at a scale that training likes."""
    centred = vectors - vectors.mean(0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:WIDTH]
    reduced = centred @ directions.T
    return np.asarray(reduced / reduced.std() * 0.3, np.float32)
