// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The experts of a layer that a folder has in one tensor of each projection, as matrices of single
/// experts, `[outputs, inputs]`: `experts.5.gate_proj.weight`. compressed-tensors quantizes
/// matrices of two dimensions only, so that llm-compressor takes such experts apart under these
/// names, and Lockstep's families read them.
///
/// @param module the names of the tensors up to `experts.`
/// @param tensors of the folder, weights and biases
public record FusedExperts(FolderCheckpoint source, String module, List<String> tensors) {
    /// Names that most families have, and those of Granite.
    private static final Pattern FUSED =
            Pattern.compile(
                    "(.*\\.)(?:experts\\.(gate_up_proj|down_proj)(_bias)?|(?<=\\.block_sparse_moe\\.)(input_linear|output_linear)\\.weight)");

    private static final Pattern ONE =
            Pattern.compile("(.*\\.)experts\\.\\d{1,5}\\.(gate_proj|up_proj|down_proj)\\..*");

    /// The projections that one tensor has.
    private enum Projections {
        GATE_UP,
        DOWN;

        static Projections of(Matcher fused) {
            boolean down =
                    "down_proj".equals(fused.group(2)) || "output_linear".equals(fused.group(4));
            return down ? DOWN : GATE_UP;
        }

        List<String> names() {
            return this == DOWN ? List.of("down_proj") : List.of("gate_proj", "up_proj");
        }

        int count() {
            return names().size();
        }
    }

    /// How a tensor has the outputs of an expert.
    private enum Outputs {
        /// In rows: those of gate, then those of up.
        ROWS,
        /// In columns, likewise.
        COLUMNS,
        /// In columns: one of gate, one of up, and so on.
        ALTERNATING
    }

    /// Returns the experts that a tensor has, with all tensors of them; empty if it has no experts,
    /// or quantized ones.
    static Optional<FusedExperts> of(FolderCheckpoint source, String name) {
        return module(name)
                .filter(
                        _ ->
                                source.config().details().experts().isPresent()
                                        && source.tensor(name).decoder().isEmpty())
                .map(
                        module ->
                                new FusedExperts(
                                        source,
                                        module,
                                        source.tensorNames().stream()
                                                .filter(
                                                        each ->
                                                                module(each)
                                                                        .equals(
                                                                                Optional.of(
                                                                                        module)))
                                                .toList()));
    }

    private static Optional<String> module(String name) {
        Matcher fused = FUSED.matcher(name);
        return fused.matches() ? Optional.of(fused.group(1)) : Optional.empty();
    }

    /// Returns the names that the matrices of one expert get: of its gate and up, or of its down
    /// projection; none if a tensor has no experts.
    ///
    /// @param fused the name of a weight
    public static List<String> namesOfExpert(String fused, int expert) {
        Matcher name = FUSED.matcher(fused);
        return name.matches() && name.group(3) == null
                ? Projections.of(name).names().stream()
                        .map(
                                each ->
                                        "%sexperts.%d.%s.weight"
                                                .formatted(name.group(1), expert, each))
                        .toList()
                : List.of();
    }

    /// Returns the names of the tensors that a matrix of one expert may have been taken from; none
    /// if it is of no expert.
    public static List<String> fusedNames(String name) {
        Matcher one = ONE.matcher(name);
        if (!one.matches()) {
            return List.of();
        }
        boolean down = one.group(2).equals("down_proj");
        return List.of(
                one.group(1) + "experts." + (down ? "down_proj" : "gate_up_proj"),
                one.group(1) + (down ? "output_linear" : "input_linear") + ".weight");
    }

    /// Returns the tensors of all experts, one expert after the other.
    List<FolderTensor> separate() {
        int count = source.config().details().experts().orElseThrow().count();
        List<FolderTensor> all = new ArrayList<>();
        for (int expert = 0; expert < count; expert++) {
            for (String each : tensors) {
                all.addAll(ofExpert(each, expert, count));
            }
        }
        return all;
    }

    private List<FolderTensor> ofExpert(String fused, int expert, int count) {
        Matcher name = FUSED.matcher(fused);
        if (!name.matches()) {
            throw new IllegalArgumentException(fused);
        }
        Projections projections = Projections.of(name);
        boolean isBias = name.group(3) != null;
        String ending = isBias ? ".bias" : ".weight";
        String stored = source.tensorInfo(fused).orElseThrow().storedName();
        String prefix = stored.substring(0, stored.length() - fused.length() + module.length());
        WeightMatrix whole = source.tensor(fused);
        int outputs = projections == Projections.DOWN ? source.config().hiddenSize() : 2 * width();
        List<FolderTensor> parts = new ArrayList<>();
        for (int i = 0; i < projections.count(); i++) {
            String tail = "experts.%d.%s%s".formatted(expert, projections.names().get(i), ending);
            WeightMatrix matrix =
                    isBias
                            ? bias(whole, expert, projections, i, outputs)
                            : weight(whole, expert, projections, i, outputs, count);
            parts.add(
                    new FolderTensor(
                            module + tail,
                            prefix + tail,
                            matrix.type().name(),
                            Stream.of(matrix.rows(), matrix.columns())
                                    .limit(isBias ? 1 : 2)
                                    .map(Integer::longValue)
                                    .toList(),
                            named(matrix, module + tail)));
        }
        return parts;
    }

    private int width() {
        return source.config().feedForwardSize();
    }

    private WeightMatrix weight(
            WeightMatrix whole,
            int expert,
            Projections projections,
            int projection,
            int outputs,
            int count) {
        int inputs = projections == Projections.DOWN ? width() : source.config().hiddenSize();
        int rows = outputs / projections.count();
        Outputs form = outputs(whole, projections);
        boolean inRows = form == Outputs.ROWS;
        if (whole.columns() != (inRows ? inputs : outputs)
                || whole.rows() != (long) count * (inRows ? outputs : inputs)) {
            throw new CheckpointException(
                    "%s: tensor %s is %d x %d; %d experts of %d outputs and %d inputs were expected"
                            .formatted(
                                    source.path(),
                                    whole.name(),
                                    whole.rows(),
                                    whole.columns(),
                                    count,
                                    outputs,
                                    inputs));
        }
        if (inRows) {
            return whole.part(expert * outputs + projection * rows, rows);
        }
        WeightMatrix stored = whole.part(expert * inputs, inputs);
        var transposed = new TransposedRows(stored);
        WeightDecoder own =
                form == Outputs.ALTERNATING && projections.count() == 2
                        ? new AlternateRows(transposed, projection)
                        : new LaterRows(transposed, projection * rows);
        return new WeightMatrix(
                whole.name(),
                whole.type(),
                rows,
                inputs,
                new RowOrder.AsIs(),
                stored.data(),
                Optional.of(own));
    }

    /// Returns how a family reads a tensor: see the families in `model`.
    private Outputs outputs(WeightMatrix whole, Projections projections) {
        return switch (source.architecture()) {
            case "GptOssForCausalLM" -> Outputs.ALTERNATING;
            case "Llama4ForCausalLM" -> Outputs.COLUMNS;
            case "Qwen3MoeForCausalLM" ->
                    downColumns(whole, projections) == source.config().hiddenSize()
                            ? Outputs.COLUMNS
                            : Outputs.ROWS;
            default -> Outputs.ROWS;
        };
    }

    private int downColumns(WeightMatrix whole, Projections projections) {
        return projections == Projections.DOWN
                ? whole.columns()
                : source.tensor(module + "experts.down_proj").columns();
    }

    /// Copies the values of one expert, whose tensor is `[experts, outputs]`.
    private WeightMatrix bias(
            WeightMatrix whole, int expert, Projections projections, int projection, int outputs) {
        int width = whole.type().blockBytes();
        int count = outputs / projections.count();
        boolean alternating =
                projections.count() == 2 && source.architecture().equals("GptOssForCausalLM");
        int step = alternating ? 2 : 1;
        long first = (long) expert * outputs + (alternating ? projection : projection * count);
        MemorySegment values = MemorySegment.ofArray(new byte[count * width]);
        for (int i = 0; i < count; i++) {
            MemorySegment.copy(
                    whole.data(),
                    (first + (long) i * step) * width,
                    values,
                    (long) i * width,
                    width);
        }
        return new WeightMatrix(whole.name(), whole.type(), count, 1, new RowOrder.AsIs(), values);
    }

    private static WeightMatrix named(WeightMatrix matrix, String name) {
        return new WeightMatrix(
                name,
                matrix.type(),
                matrix.rows(),
                matrix.columns(),
                matrix.order(),
                matrix.data(),
                matrix.decoder());
    }
}
