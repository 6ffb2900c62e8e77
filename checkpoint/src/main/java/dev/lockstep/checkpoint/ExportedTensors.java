// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/// The tensors of a folder in the shapes of a GGUF file: the experts of a layer one below the other
/// in one matrix of each projection, the matrices of GPT-2 as `[outputs, inputs]`, and those of
/// Gemma 3n's residuals one below the other.
///
/// @param architecture GGUF's name of it
record ExportedTensors(FolderCheckpoint source, String architecture) {
    /// Mixtral's names, and those of the other mixtures.
    private static final Pattern EXPERT =
            Pattern.compile(
                    "(model\\.layers\\.\\d{1,5}\\.)(mlp|block_sparse_moe)\\.experts\\.(\\d{1,5})\\.(gate_proj|up_proj|down_proj|w1|w2|w3)\\.weight");

    private static final Map<String, String> PROJECTIONS =
            Map.of("w1", "gate_proj", "w2", "down_proj", "w3", "up_proj");

    /// The matrices of Gemma 3n's residuals but the first.
    private static final Pattern RESIDUAL =
            Pattern.compile(
                    "(model\\.altup_(?:projections|unembed_projections))\\.\\d{1,2}\\.weight");

    /// Experts of Gemma 4 in one tensor, whose name has no ending.
    private static final Pattern MERGED =
            Pattern.compile("model\\.layers\\.\\d{1,5}\\.experts\\.(gate_up_proj|down_proj)");

    private static final String LAYER_INPUTS = "model.embed_tokens_per_layer.weight";

    private static final String MIXTRAL_ROUTER = ".block_sparse_moe.gate.weight";

    /// Stored by GPT-2 as `[inputs, outputs]`.
    private static final Pattern TRANSPOSED =
            Pattern.compile(".*\\.(attn\\.c_attn|attn\\.c_proj|mlp\\.c_fc|mlp\\.c_proj)\\.weight");

    /// A tensor.
    ///
    /// @param name by which a reader of the file knows it
    /// @param parts the matrices of the folder that it is made of; none if it is one of the
    ///   folder's
    record Exported(String name, WeightMatrix matrix, List<Long> shape, List<WeightMatrix> parts) {

        /// Returns values as an F32 tensor; one column is a vector.
        static Exported of(String name, float[] values, int rows, int columns) {
            ByteBuffer bytes =
                    ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(values);
            MemorySegment data = MemorySegment.ofArray(bytes.array());
            var matrix =
                    new WeightMatrix(
                            name, TensorType.F32, rows, columns, new RowOrder.AsIs(), data);
            List<Long> shape =
                    columns == 1 ? List.of((long) rows) : List.of((long) rows, (long) columns);
            return new Exported(name, matrix, shape, List.of());
        }
    }

    /// Returns all tensors, apart from those that readers compute themselves.
    List<Exported> all() {
        List<Exported> all = new ArrayList<>();
        Set<String> stacked = new HashSet<>();
        for (String name : source.tensorNames()) {
            Matcher expert = EXPERT.matcher(name);
            Matcher residual = RESIDUAL.matcher(name);
            if (isComputed(name)) {
                continue;
            }
            if (expert.matches()) {
                String projection = PROJECTIONS.getOrDefault(expert.group(4), expert.group(4));
                String merged = "%smlp.experts.%s.weight".formatted(expert.group(1), projection);
                if (stacked.add(merged)) {
                    all.add(experts(merged, expert));
                }
            } else if (residual.matches()) {
                if (stacked.add(residual.group(1))) {
                    all.add(residuals(residual.group(1)));
                }
            } else {
                all.add(one(name));
            }
        }
        return all;
    }

    private boolean isComputed(String name) {
        return name.endsWith(".rotary_emb.inv_freq")
                || name.endsWith(".masked_bias")
                || (architecture.equals("gpt2") && name.endsWith(".attn.bias"));
    }

    private Exported experts(String merged, Matcher name) {
        int count = source.config().details().experts().map(ExpertConfig::count).orElse(0);
        List<WeightMatrix> parts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            parts.add(
                    plain(
                            "%s%s.experts.%d.%s.weight"
                                    .formatted(name.group(1), name.group(2), i, name.group(4))));
        }
        if (parts.isEmpty()) {
            throw new CheckpointException(
                    "%s: tensor %s is one of an expert, and the configuration has none"
                            .formatted(source.path(), name.group()));
        }
        return stacked(merged, parts);
    }

    private Exported residuals(String prefix) {
        int count = source.config().details().altUp().map(AltUpConfig::count).orElse(1);
        List<WeightMatrix> parts =
                IntStream.range(0, count - 1)
                        .mapToObj(i -> plain("%s.%d.weight".formatted(prefix, i)))
                        .toList();
        return stacked(prefix + ".weight", parts);
    }

    private static Exported stacked(String name, List<WeightMatrix> parts) {
        WeightMatrix matrix = StackedRows.of(name, parts);
        long rows = parts.getFirst().rows();
        return new Exported(
                name, matrix, List.of((long) parts.size(), rows, (long) matrix.columns()), parts);
    }

    /// Returns the embeddings of each layer with a row for every id: ids without one have the
    /// first.
    private Exported layerInputs(WeightMatrix stored) {
        WeightMatrix matrix = ExtendedRows.of(stored, source.config().vocabularySize());
        return new Exported(
                LAYER_INPUTS,
                matrix,
                List.of((long) matrix.rows(), (long) matrix.columns()),
                List.of(stored));
    }

    /// Returns a matrix whose values can be moved one by one.
    private WeightMatrix plain(String name) {
        WeightMatrix matrix = source.tensor(name).exact().plain();
        if (matrix.type().isQuantized()) {
            throw new CheckpointException(
                    "%s: tensor %s has type %s and would have to be rearranged; only plain types can"
                            .formatted(source.path(), name, matrix.type()));
        }
        return matrix;
    }

    private Exported one(String name) {
        if (architecture.equals("gpt2") && TRANSPOSED.matcher(name).matches()) {
            return transposed(name);
        }
        String known =
                name.endsWith(MIXTRAL_ROUTER) ? name.replace(".block_sparse_moe.", ".mlp.") : name;
        if (name.equals(LAYER_INPUTS)
                && source.tensor(name).rows() < source.config().vocabularySize()) {
            return layerInputs(plain(name));
        }
        if (MERGED.matcher(name).matches()) {
            known = name + ".weight";
        }
        List<Long> shape = source.tensorInfo(name).orElseThrow().shape();
        return new Exported(known, source.tensor(name), shape, List.of());
    }

    private Exported transposed(String name) {
        WeightMatrix stored = source.tensor(name);
        if (stored.decoder().isPresent()) {
            throw new CheckpointException(
                    "%s: tensor %s is quantized and would have to be transposed; only plain types can"
                            .formatted(source.path(), name));
        }
        var matrix =
                new WeightMatrix(
                        name,
                        stored.type(),
                        stored.columns(),
                        stored.rows(),
                        new RowOrder.AsIs(),
                        stored.data(),
                        Optional.of(new TransposedRows(stored)));
        List<Long> shape = List.of((long) stored.columns(), (long) stored.rows());
        return new Exported(name, matrix, shape, List.of(stored));
    }
}
