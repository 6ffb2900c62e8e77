// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// What a GGUF file says of a model's use for embeddings: the number of a pooling, whose vectors
/// are normalised.
final class GgufPooling {
    /// The name of the key after the architecture.
    static final String KEY = "pooling_type";

    /// Those of the numbers 1 to 3.
    private static final List<SentencePooling> NUMBERED =
            List.of(SentencePooling.MEAN, SentencePooling.CLS, SentencePooling.LAST);

    /// The tensors of linear layers after pooling, which files of EmbeddingGemma may have.
    static final List<String> DENSE = List.of("dense_2.weight", "dense_3.weight");

    private GgufPooling() {}

    /// Returns the pooling of a number; empty for one that is not served.
    static Optional<SentencePooling> of(int number) {
        return number >= 1 && number <= NUMBERED.size()
                ? Optional.of(NUMBERED.get(number - 1))
                : Optional.empty();
    }

    /// Returns the number of a pooling; empty for one that has none.
    static OptionalInt numberOf(SentencePooling pooling) {
        int index = NUMBERED.indexOf(pooling);
        return index < 0 ? OptionalInt.empty() : OptionalInt.of(index + 1);
    }

    /// Returns the linear layers after pooling, which files of EmbeddingGemma may have as tensors.
    static List<SentenceDense> dense(Checkpoint checkpoint) {
        List<SentenceDense> layers = new ArrayList<>();
        int size = checkpoint.config().hiddenSize();
        for (String name : DENSE) {
            if (checkpoint.has(name)) {
                int outputs = checkpoint.tensor(name).rows();
                layers.add(
                        new SentenceDense(
                                size,
                                outputs,
                                ScoreHead.values(checkpoint, name, outputs, size),
                                new float[outputs],
                                SentenceDense.Activation.IDENTITY));
                size = outputs;
            }
        }
        return layers;
    }
}
