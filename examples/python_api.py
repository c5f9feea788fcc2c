"""Train, load, predict and evaluate from Python: scanned digits, seconds on a CPU, no download."""

import numpy as np
from sklearn.datasets import load_digits

import sensorium


def main() -> None:
    """Trains for three epochs, then uses the checkpoint."""
    run = sensorium.train("experiment=digits_cnn", "trainer.max_epochs=3", "accelerator=cpu")
    print(f"{run.folder}: test accuracy {run.metrics['test/accuracy']:.3f}")

    model = sensorium.load(run.best, accelerator="cpu")
    digits = load_digits()
    images = [np.rint(image * (255 / 16)).astype(np.uint8) for image in digits.images[:3]]  # (8, 8) each
    for prediction, label in zip(model.predict(images, top_k=2), digits.target, strict=False):
        name, probability = prediction.classes[0]
        print(f"true {label}, predicted {name} ({probability:.2f})")

    evaluation = model.evaluate(split="val")
    print(f"validation accuracy {evaluation.metrics['accuracy']:.3f}")


if __name__ == "__main__":
    main()
