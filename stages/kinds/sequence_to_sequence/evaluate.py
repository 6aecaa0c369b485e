"""The network's outputs for the test sources beside their references, and its scores by the length
of the source."""

import json
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd

from stages import drawing
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Evaluation, Judged
from stages.kinds.sequence_to_sequence import Examples, Ingested, texts
from stages.kinds.sequence_to_sequence.decoding import Decoding
from stages.kinds.sequence_to_sequence.judging import Judge, by_length, judge
from stages.kinds.sequence_to_sequence.scores import SCORES
from stages.kinds.sequence_to_sequence.train import Pairs
from stages.kinds.sequence_to_sequence.writing import Writer, Written
from stages.sections import Count, one_of
from stages.text import overlap

if TYPE_CHECKING:
    from stages.networks.prediction import Predictor

# Texts whose probabilities of all tokens are held at a time.
TEXTS = 64


class Parameters(Judged, Decoding):
    """How outputs are searched for, and

    errors: how many of the test outputs that are least like their references, by chrF, are listed.
    """

    score: Annotated[str, one_of(SCORES)] = "bleu"
    errors: Count = 50


def evaluate(
    data: TaskData[Ingested, Examples],
    predict: "Predictor",
    baselines: Baselines,
    parameters: Parameters,
    retrain: Callable[[Any, str], "Predictor"],
) -> Evaluation:
    """Scores the network on the test split.

    Returns:
        The scores of its outputs; the task's score of those of greedy search; and `token_accuracy`
        and `perplexity` of the targets' tokens, each after the true ones before it. The curve is
        `method`, `length`, `texts`, `score`: the task's score by the length of the source.
        `outputs.jsonl` has all outputs, `errors.jsonl` those that are least like their references.
    """
    name = parameters.score
    test, validation = (judge(data, split) for split in ("test", "validation"))
    splits = _outputs(predict, data, ["test", "validation"], parameters)
    written = splits["test"]
    counts = test.count([output.text for output in written])
    scores = counts.scores() | counts.intervals()
    if parameters.beams > 1:
        greedy = _outputs(predict, data, ["test"], parameters.model_copy(update={"beams": 1}))
        found = [output.text for output in greedy["test"]]
        scores[f"greedy_{name}"] = test.count(found, [name]).scores()[name]
    found = [output.text for output in splits["validation"]]
    on_validation = validation.count(found).scores()
    lines = _lines(test, written, counts)
    worst = sorted(lines, key=lambda line: line["chrf"])[: parameters.errors]
    return Evaluation(
        scores | scores_of_tokens(predict, data.examples, "test"),
        _curve(counts, test, name, baselines),
        f"{name} by the number of words of the source",
        files={"outputs.jsonl": _json_lines(lines), "errors.jsonl": _json_lines(worst)},
        validation=on_validation | scores_of_tokens(predict, data.examples, "validation"),
        signatures=overlap.signatures(test.references),
    )


def _outputs(
    predict: "Predictor",
    data: TaskData[Ingested, Examples],
    splits: Sequence[str],
    decoding: Decoding,
) -> dict[str, list[Written]]:
    """Returns the best output for each source of some splits. Together they are of fewer
    shapes."""
    examples, tokenizers = data.examples, texts.tokenizers(data)
    numbers = np.concatenate([examples.numbers_of(split) for split in splits])
    writer = Writer(predict.network, examples, tokenizers[1], decoding)
    found = iter(writer.outputs(texts.sources_of(data, numbers, tokenizers)))
    return {split: [best for (best,) in islice(found, examples.pairs[split])] for split in splits}


def _lines(test: Judge, written: Sequence[Written], counts: overlap.Counts) -> list[dict[str, Any]]:
    """Returns each test output, its source and its references, as JSON has them."""
    likeness = counts.by_group(np.arange(counts.texts), counts.texts)["chrf"]
    return [
        {
            "source": source,
            "output": output.text,
            "references": [text for text in references if text],
            "chrf": round(chrf, 2),
            "log_probability": round(output.log_probability, 4),
        }
        for source, output, references, chrf in zip(
            test.sources, written, test.references, likeness, strict=True
        )
    ]


def _json_lines(lines: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def scores_of_tokens(predict: "Predictor", examples: Examples, split: str) -> dict[str, float]:
    """Returns the share of a split's tokens, ends among them, that are the likeliest where the true
    tokens before them are known, and their perplexity."""
    from stages.networks import pointer
    from stages.networks.backend import tf
    from stages.networks.generation import Generator

    ids = examples.sizes["target"]
    copy = Generator(predict.network, ids).copies

    def nats_and_hits(outputs: Any, batch: dict[str, Any]) -> Any:
        """Returns -log p of each target, whether it is the likeliest token, and the mask,
        (batch, steps, 3)."""
        targets = batch["targets"]
        if copy:
            copies = batch["given"]["copies"]
            logs = pointer.log_probabilities(outputs, ids, copies, examples.extended)
        else:
            logs = tf.nn.log_softmax(outputs[:, :, :ids])
        nats = -tf.gather(logs, targets, axis=-1, batch_dims=2)
        hits = tf.cast(tf.argmax(logs, -1, output_type=targets.dtype) == targets, tf.float32)
        return tf.stack([nats, hits, batch["mask"]], -1)

    pairs = Pairs(examples, examples.numbers_of(split), copy)
    kept = predict(pairs, nats_and_hits, TEXTS)
    nats, hits = kept[kept[..., 2] > 0][:, :2].astype(np.float64).T
    return {"token_accuracy": float(hits.mean()), "perplexity": float(np.exp(nats.mean()))}


def _curve(counts: overlap.Counts, test: Judge, name: str, baselines: Baselines) -> pd.DataFrame:
    """Returns the score of the network and of the baselines by the length of the source."""
    found: dict[str, Any] = {"model": {"by_length": test.by_length(counts)}}
    found |= baselines.scores
    words = np.array([len(source.split()) for source in test.sources])
    sizes = np.bincount(by_length(words)[0])
    tables = [
        pd.DataFrame(
            {
                "method": method,
                "length": test.lengths,
                "texts": sizes,
                "score": entry["by_length"][name],
            }
        )
        for method, entry in found.items()
    ]
    return pd.concat(tables, ignore_index=True)


def draw(axes: Any, curve: pd.DataFrame) -> None:
    """Draws the score of each method over the length of the source."""
    drawing.draw_methods(axes, curve, "length", "score", "words of the source", "score", marker="o")
