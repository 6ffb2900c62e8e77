// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The tensors of an encoder under the names by which a reader of its GGUF file knows them:
/// DistilBERT and RoBERTa are `bert` there, positions of padding are left out, and so are poolers
/// and the heads of masked language models.
///
/// @param positions of the file
record ExportedEncoder(FolderCheckpoint source, int positions) {
    private static final Pattern PREFIX =
            Pattern.compile("(?:bert|roberta|distilbert|model)\\.(.*)");

    private static final Pattern LEFT =
            Pattern.compile(
                    "(?:pooler|cls|lm_head|head|decoder|classifier|pre_classifier"
                            + "|vocab_transform|vocab_layer_norm|vocab_projector)\\..*"
                            + "|embeddings\\.position_ids");

    private static final Pattern DISTILLED =
            Pattern.compile("transformer\\.layer\\.(\\d{1,5})\\.(.+)\\.(weight|bias)");

    /// The parts of a layer of DistilBERT and those of BERT.
    private static final Map<String, String> PARTS =
            Map.of(
                    "attention.q_lin", "attention.self.query",
                    "attention.k_lin", "attention.self.key",
                    "attention.v_lin", "attention.self.value",
                    "attention.out_lin", "attention.output.dense",
                    "sa_layer_norm", "attention.output.LayerNorm",
                    "ffn.lin1", "intermediate.dense",
                    "ffn.lin2", "output.dense",
                    "output_layer_norm", "output.LayerNorm");

    private static final String POSITIONS = "embeddings.position_embeddings.weight";

    /// Returns all tensors but those of heads.
    List<ExportedTensors.Exported> all() {
        List<ExportedTensors.Exported> all = new ArrayList<>();
        for (String name : source.tensorNames()) {
            Matcher prefixed = PREFIX.matcher(name);
            String alone = prefixed.matches() ? prefixed.group(1) : name;
            if (!LEFT.matcher(alone).matches()) {
                all.add(one(name, known(alone)));
            }
        }
        return all;
    }

    private static String known(String name) {
        Matcher distilled = DISTILLED.matcher(name);
        String part = distilled.matches() ? PARTS.get(distilled.group(2)) : null;
        return part == null
                ? name
                : "encoder.layer.%s.%s.%s".formatted(distilled.group(1), part, distilled.group(3));
    }

    private ExportedTensors.Exported one(String name, String known) {
        WeightMatrix matrix = source.tensor(name);
        int first = source.config().details().encoder().map(EncoderConfig::firstPosition).orElse(0);
        if (known.equals(POSITIONS)) {
            WeightMatrix used = matrix.part(first, positions);
            return new ExportedTensors.Exported(
                    known, used, List.of((long) used.rows(), (long) used.columns()), List.of());
        }
        return new ExportedTensors.Exported(
                known, matrix, source.tensorInfo(name).orElseThrow().shape(), List.of());
    }
}
