// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// How a checkpoint stores the experts of a layer. Names are those of tensors without `.weight`.
public sealed interface ExpertSource {

    /// Packs this rank's shard of one expert.
    ExpertWeights load(Weights weights, int expert);

    /// Returns the experts that are merged in `gate_up_proj` and `down_proj` of `prefix` if there
    /// are such tensors, or else a matrix for each.
    static ExpertSource mergedOrSeparate(Weights weights, String prefix) {
        String gateUp = prefix + ".gate_up_proj";
        return weights.has(gateUp) || weights.has(gateUp + ".weight")
                ? new Merged(gateUp, prefix + ".down_proj")
                : Separate.of(prefix);
    }

    /// A matrix for each expert and projection, `prefix.5.gate.weight`; or, as in GGUF files, all
    /// experts of a projection one below the other, `prefix.gate.weight`; maybe with a bias. GGUF
    /// files may have gate and up in one matrix, as in [Merged].
    record Separate(String prefix, String gate, String up, String down) implements ExpertSource {

        /// Returns the names that most families use.
        public static Separate of(String prefix) {
            return new Separate(prefix, "gate_proj", "up_proj", "down_proj");
        }

        @Override
        public ExpertWeights load(Weights weights, int expert) {
            String gateUp = prefix + ".gate_up_proj";
            if (weights.has(gateUp + ".weight")) {
                return new Merged(gateUp, "%s.%s".formatted(prefix, down)).load(weights, expert);
            }
            int width = weights.config().feedForwardSize();
            int hidden = weights.config().hiddenSize();
            Span own = weights.shard().feedForward();
            OutputRows gateRows = matrix(weights, gate, expert, width, hidden);
            OutputRows upRows = matrix(weights, up, expert, width, hidden);
            OutputRows downRows = matrix(weights, down, expert, hidden, width);
            return new ExpertWeights(
                    weights.packRows(gateRows.cut(own), upRows.cut(own)),
                    weights.packColumns(downRows, own),
                    weights.bias(gateRows.cut(own), upRows.cut(own)),
                    weights.shard().rank() == 0 ? weights.bias(downRows) : Optional.empty());
        }

        private OutputRows matrix(Weights weights, String name, int expert, int rows, int columns) {
            String all = "%s.%s".formatted(prefix, name);
            if (weights.has(all + ".weight")) {
                return ofAll(weights, all, expert, rows, columns);
            }
            return weights.linear("%s.%d.%s".formatted(prefix, expert, name), rows, columns);
        }
    }

    /// Two matrices for each expert, `prefix.5.up_proj.weight` and `down_proj`: experts without a
    /// gate.
    record Ungated(String prefix) implements ExpertSource {

        @Override
        public ExpertWeights load(Weights weights, int expert) {
            int width = weights.config().feedForwardSize();
            int hidden =
                    weights.config()
                            .details()
                            .experts()
                            .orElseThrow()
                            .inputSize(weights.config().hiddenSize());
            Span own = weights.shard().feedForward();
            String name = "%s.%d.".formatted(prefix, expert);
            WeightMatrix up = weights.matrix(name + "up_proj.weight", width, hidden);
            WeightMatrix down = weights.matrix(name + "down_proj.weight", hidden, width);
            return new ExpertWeights(
                    weights.packRows(OutputRows.of(up).cut(own)),
                    weights.packColumns(OutputRows.of(down), own));
        }
    }

    /// All experts one below the other: in one matrix the gate rows of each, then its up rows, in
    /// another the rows of `down`, both maybe with a bias.
    record Merged(String gateUp, String down) implements ExpertSource {

        @Override
        public ExpertWeights load(Weights weights, int expert) {
            int width = weights.config().feedForwardSize();
            int hidden = weights.config().hiddenSize();
            Span own = weights.shard().feedForward();
            OutputRows both = ofAll(weights, gateUp, expert, 2 * width, hidden);
            OutputRows gate = both.cut(own);
            OutputRows up = both.cut(own.plus(width));
            OutputRows downRows = ofAll(weights, down, expert, hidden, width);
            return new ExpertWeights(
                    weights.packRows(gate, up),
                    weights.packColumns(downRows, own),
                    weights.bias(gate, up),
                    weights.shard().rank() == 0 ? weights.bias(downRows) : Optional.empty());
        }
    }

    /// All experts in one tensor of each projection, which is stored as `[inputs, outputs]`; gate
    /// and up outputs alternate. Each projection has a bias.
    record Interleaved(String prefix) implements ExpertSource {

        @Override
        public ExpertWeights load(Weights weights, int expert) {
            int width = weights.config().feedForwardSize();
            int hidden = weights.config().hiddenSize();
            Span own = weights.shard().feedForward();
            OutputRows both =
                    part(weights, "gate_up_proj", expert, 2 * width, hidden).inPairs(2 * width);
            OutputRows gate = both.cut(own);
            OutputRows up = both.cut(own.plus(width));
            OutputRows down = part(weights, "down_proj", expert, hidden, width);
            return new ExpertWeights(
                    weights.packRows(gate, up),
                    weights.packColumns(down, own),
                    weights.bias(gate, up),
                    weights.shard().rank() == 0 ? weights.bias(down) : Optional.empty());
        }

        private OutputRows part(Weights weights, String name, int expert, int rows, int columns) {
            String tensor = "%s.%s".formatted(prefix, name);
            int count = weights.config().feedForwardsPerLayer();
            return weights.transposedPart(tensor, tensor + "_bias", count, expert, rows, columns);
        }
    }

    /// All experts in one tensor of each projection, which is stored as `[inputs, outputs]`: the
    /// outputs of gate, then those of up.
    record Transposed(String prefix) implements ExpertSource {

        @Override
        public ExpertWeights load(Weights weights, int expert) {
            int width = weights.config().feedForwardSize();
            int hidden = weights.config().hiddenSize();
            Span own = weights.shard().feedForward();
            OutputRows both = part(weights, "gate_up_proj", expert, 2 * width, hidden);
            return new ExpertWeights(
                    weights.packRows(both.cut(own), both.cut(own.plus(width))),
                    weights.packColumns(part(weights, "down_proj", expert, hidden, width), own));
        }

        private OutputRows part(Weights weights, String name, int expert, int rows, int columns) {
            int count = weights.config().feedForwardsPerLayer();
            String tensor = "%s.%s".formatted(prefix, name);
            return weights.transposedPart(tensor, count, expert, rows, columns);
        }
    }

    private static OutputRows ofAll(
            Weights weights, String name, int expert, int rows, int columns) {
        int count = weights.config().feedForwardsPerLayer();
        String stored = weights.has(name + ".weight") ? name + ".weight" : name;
        WeightMatrix matrix = weights.matrix(stored, count * rows, columns);
        Optional<WeightMatrix> bias =
                weights.has(name + ".bias")
                        ? Optional.of(weights.part(name + ".bias", 1, 0, count * rows, 1))
                        : Optional.empty();
        var own = new Span(expert * rows, (expert + 1) * rows);
        return new OutputRows(matrix, bias, own);
    }
}
