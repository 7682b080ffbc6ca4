"""Train a classifier of handwritten digits, and look at what it gets wrong.

The digits are the 1797 images of 8 x 8 pixels that come with scikit-learn; one in five is held out
as the test set. Run it with ``nox -s digits``, or ``python docs/examples/digits.py --help``.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draw to a file: there may be no screen

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import dualad


class Classifier:
    """A multilayer perceptron: affine maps with a ReLU between them."""

    def __init__(self, *sizes, device):
        self.layers = []
        for n, m in pairwise(sizes):
            weight = (dualad.randn(n, m, device=device) * (2 / n) ** 0.5).requires_grad_()
            bias = dualad.zeros(m, device=device, requires_grad=True)
            self.layers.append((weight, bias))

    def parameters(self):
        return [p for layer in self.layers for p in layer]

    def __call__(self, x):
        *hidden, (weight, bias) = self.layers
        for w, b in hidden:
            x = dualad.maximum(x @ w + b, 0)
        return x @ weight + bias


def cross_entropy(logits, labels):
    """Return the mean of -log(probability) of the right labels."""
    logits = logits - dualad.max(logits, axis=1, keepdims=True).detach()
    log_total = dualad.log(dualad.sum(dualad.exp(logits), axis=1))
    right = dualad.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    return dualad.mean(log_total - right)


def batches(n, size, rng):
    """Yield the indices of all n samples, shuffled, `size` at a time."""
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


def train(model, images, labels, epochs, rng, batch_size=64):
    """Train the model; return the mean loss of each epoch."""
    optimizer = dualad.optim.Adam(model.parameters(), lr=2e-3)
    history = []
    progress = tqdm(range(epochs), desc="training", unit="epoch")
    for _ in progress:
        total = 0.0
        for rows in batches(len(images), batch_size, rng):
            loss = cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(images))
        progress.set_postfix(loss=f"{history[-1]:.4f}")
    return history


@dualad.no_grad()
def predict(model, images):
    return dualad.argmax(model(images), axis=1).cpu().numpy()


def draw(path, history, images, truth, predicted):
    """Write a picture of the loss curve and of the digits that were taken for others."""
    wrong = np.flatnonzero(truth != predicted)
    columns, rows = 5, max(2, -(-len(wrong) // 5))
    figure = plt.figure(figsize=(11, 1.1 * rows + 2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.1, 1])

    axes = left.subplots()
    axes.plot(range(1, len(history) + 1), history)
    axes.set(xlabel="epoch", ylabel="mean loss", yscale="log", title="training loss")
    axes.grid(alpha=0.3)

    right.suptitle(f"{len(wrong)} of {len(truth)} test digits wrong")
    grid = right.subplots(rows, columns).flat
    for cell, i in zip(grid, wrong, strict=False):
        cell.imshow(images[i].reshape(8, 8), cmap="gray_r")
        cell.set_title(f"{truth[i]}, not {predicted[i]}", fontsize=9)
    for cell in right.axes:
        cell.axis("off")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="default: cuda where there is one, else cpu")
    parser.add_argument("--out", type=Path, default=Path("digits.png"), help="default: %(default)s")
    options = parser.parse_args()
    device = options.device or ("cuda" if dualad.cuda.is_available() else "cpu")

    pixels, digits = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    # The split is fixed, whatever the seed: a test set is not chosen by its result.
    split = train_test_split(pixels, digits, test_size=0.2, random_state=0, stratify=digits)
    x_train, x_test, y_train, _ = (dualad.tensor(part, device=device) for part in split)

    start = time.perf_counter()
    dualad.manual_seed(options.seed)
    model = Classifier(64, 128, 128, 10, device=device)
    rng = np.random.default_rng(options.seed)
    history = train(model, x_train, y_train, options.epochs, rng)
    seconds = time.perf_counter() - start

    _, images, _, truth = split
    predicted = predict(model, x_test)
    draw(options.out, history, images, truth, predicted)
    print(f"test accuracy {np.mean(predicted == truth):.4f} on {device} after {seconds:.1f} s")
    print(f"loss curve and mistakes: {options.out}")


if __name__ == "__main__":
    main()
