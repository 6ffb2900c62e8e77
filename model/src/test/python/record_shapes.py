# SPDX-License-Identifier: Apache-2.0
"""Records the configurations and the shapes of the tensors of the models that transformers knows, without weights.

    pip install -r requirements.txt && python record_shapes.py ../../../../cli/src/test/resources/shapes.jsonl.gz

Each class for causal language models, text of several modalities, masked language models and scores is made on the meta
device from the defaults of its configuration, which have the size of a published model. A line has the names as files
have them; numbers that count, such as those of layers, are written as ranges: `layers.{0-31}`. A class that cannot be
made so is named on the standard error and left out.
"""

import gzip
import json
import re
import sys

import torch
import transformers
from transformers.core_model_loading import revert_weight_conversion
from transformers.models.auto import modeling_auto

KINDS = ["MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES", "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
         "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES"]


def classes():
    """Returns the names of the classes with the type of their configuration."""
    found = {}
    for kind in KINDS:
        for model_type, names in getattr(modeling_auto, kind).items():
            for name in [names] if isinstance(names, str) else names:
                found.setdefault(name, model_type)
    return sorted(found.items())


def ranges(numbers):
    numbers = sorted(numbers)
    parts, start = [], 0
    for i in range(1, len(numbers) + 1):
        if i == len(numbers) or numbers[i] != numbers[i - 1] + 1:
            parts.append(str(numbers[start]) if i - start == 1 else f"{numbers[start]}-{numbers[i - 1]}")
            start = i
    return "{" + ",".join(parts) + "}"


def products(indices):
    """Returns lists of sets whose products are together the tuples of numbers."""
    if indices == {()}:
        return [[]]
    rest = {}
    for first, *others in indices:
        rest.setdefault(first, set()).add(tuple(others))
    alike = {}
    for first, others in rest.items():
        alike.setdefault(frozenset(others), set()).add(first)
    return [[firsts] + each for others, firsts in alike.items() for each in products(others)]


def patterns(tensors):
    """Returns names with ranges and their shapes."""
    groups = {}
    for name, shape in tensors.items():
        numbers = tuple(int(number) for number in re.findall(r"(?<=\.)\d+(?=\.)", name))
        groups.setdefault((re.sub(r"(?<=\.)\d+(?=\.)", "*", name), tuple(shape)), set()).add(numbers)
    written = {}
    for (pattern, shape), indices in sorted(groups.items()):
        for sets in products(indices):
            name = pattern
            for numbers in sets:
                name = name.replace("*", ranges(numbers), 1)
            written[name] = list(shape)
    return written


def record(name, model_type):
    config = transformers.AutoConfig.for_model(model_type)
    if name.endswith("SequenceClassification"):
        config.num_labels = 1
    model_class = getattr(transformers, name)
    with torch.device("meta"):
        model = model_class._from_config(config, dtype=torch.bfloat16)
    state = model.state_dict()
    for tied in model.all_tied_weights_keys:
        state.pop(tied, None)
    state = revert_weight_conversion(model, state)
    written = json.loads(config.to_json_string(use_diff=False))
    written = {key: value for key, value in written.items() if not key.startswith("_")}
    written.update(architectures=[name], dtype="bfloat16")
    return dict(config=written, tensors=patterns({key: value.shape for key, value in state.items()}))


def main(target):
    count = 0
    # The time of the file is not written, so that equal recordings are equal files.
    with open(target, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as out:
        for name, model_type in classes():
            try:
                line = record(name, model_type)
            except Exception as failure:
                print(f"{name}: {type(failure).__name__}: {str(failure).splitlines()[:1]}", file=sys.stderr)
                continue
            out.write((json.dumps(line) + "\n").encode())
            count += 1
    print(count, "models")


if __name__ == "__main__":
    main(sys.argv[1])
