// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import java.util.Arrays;
import java.util.Optional;
import jdk.incubator.vector.FloatVector;

/// Products of quantized weights, for one thread, which owns the arrays here: 180 KB of the heap.
///
/// A few tokens are multiplied one after the other, by codes that are decoded in registers. For
/// more, two vectors of rows are decoded into a [VectorPanel], some blocks at a time, for groups of
/// tokens that fit the second-level cache; so are the blocks of a [VectorGrid] for any number of
/// tokens. Sums between are kept in the outputs.
final class VectorInt8Product {
    /// Up to so many tokens are faster one by one than by a panel, and fewer than so many of a
    /// panel's last tokens too.
    private static final int FEW_TOKENS = 3;

    /// Blocks of one token at a time: few, so that the memory does not rest while their products
    /// are scaled.
    private static final int BLOCKS = 16;

    private static final int MOST_TOKENS =
            VectorInputs.CAPACITY / VectorPanel.BLOCKS / VectorPanel.TOKENS * VectorPanel.TOKENS;

    private final VectorInputs inputs = new VectorInputs();
    private final VectorPanel panel = new VectorPanel();
    private final float[] products = new float[BLOCKS * 2 * STEP];
    private final int[] scales = new int[BLOCKS * VectorScales.MOST_VECTORS * STEP];

    /// Of one token and one vector of rows.
    private final float[] sums = new float[STEP];

    /// The parameters of [MatmulOps#multiply], strides in bytes.
    ///
    /// @param grid the packing of the weights, where it is not that of the format
    record Operands(
            VectorFormat format,
            Optional<VectorGrid> grid,
            long x,
            long xStride,
            int columns,
            long weight,
            int rows,
            int tileFrom,
            int tileTo,
            long out,
            long outStride) {
        int blocks() {
            return VectorFormat.blocks(columns);
        }

        int vectorFrom() {
            return tileFrom * VectorFormat.vectorsOfTile();
        }

        /// Vectors of rows that exist.
        int vectorTo() {
            return Math.min(tileTo * VectorFormat.vectorsOfTile(), Math.ceilDiv(rows, STEP));
        }

        /// Returns the address of the rows of a vector in their tile.
        long tile(int vector) {
            long tile = vector / VectorFormat.vectorsOfTile();
            return weight
                    + tile * format.tileBytes(columns)
                    + vector % VectorFormat.vectorsOfTile() * (4L * STEP);
        }

        /// Decodes blocks of a vector of rows that are packed in a grid.
        void decode(VectorGrid own, int vector, int from, int count, VectorPanel panel, int place) {
            long tile = weight + vector / VectorFormat.vectorsOfTile() * own.tileBytes();
            int row = vector % VectorFormat.vectorsOfTile() * STEP;
            own.decode(tile, row, from, count, panel, place);
        }

        long out(int token, int vector) {
            return out + token * outStride + vector * (4L * STEP);
        }
    }

    /// Does what [MatmulOps#multiply] does.
    void multiply(Operands operands, int tokens) {
        int few = operands.grid().isPresent() ? 0 : FEW_TOKENS;
        int token = 0;
        while (tokens - token > few) {
            int count = Math.min(tokens - token, MOST_TOKENS);
            int rest = count % VectorPanel.TOKENS;
            if (count > rest && rest < few) {
                count -= rest;
            }
            multiplyPanels(operands, token, count);
            token += count;
        }
        for (; token < tokens; token++) {
            multiplyOne(operands, token);
        }
    }

    private void multiplyOne(Operands operands, int token) {
        VectorFormat format = operands.format();
        int blocks = operands.blocks();
        int from = 0;
        do {
            int count = Math.min(VectorInputs.CAPACITY, blocks - from);
            long x = operands.x() + token * operands.xStride() + from * VectorInt8.RECORD_BYTES;
            inputs.read(
                    x,
                    0,
                    1,
                    count,
                    format.scales().added(),
                    format.codes().multipliesPairs(),
                    format.perUnit());
            for (int vector = operands.vectorFrom(); vector < operands.vectorTo(); vector++) {
                if (from == 0) {
                    Arrays.fill(sums, 0);
                } else {
                    load(operands, vector, token, 1, sums, 0);
                }
                multiplyVector(operands, vector, from, count);
                store(operands, vector, token, 1, sums, 0);
            }
            from += VectorInputs.CAPACITY;
        } while (from < blocks);
    }

    private void multiplyVector(Operands operands, int vector, int from, int count) {
        VectorFormat format = operands.format();
        long tile = operands.tile(vector);
        for (int block = 0; block < count; block += BLOCKS) {
            int some = Math.min(BLOCKS, count - block);
            format.codes()
                    .multiply(
                            tile + (from + block) * format.stride(),
                            format.stride(),
                            VectorCodes.STEP_BYTES,
                            some,
                            format.scales().vectors(),
                            inputs,
                            block,
                            products,
                            scales);
            format.scales().add(scales, some, products, inputs, block, sums);
        }
    }

    private void multiplyPanels(Operands operands, int token, int tokens) {
        VectorFormat format = operands.format();
        int blocks = operands.blocks();
        int from = 0;
        do {
            int count = Math.min(VectorPanel.BLOCKS, blocks - from);
            long x = operands.x() + token * operands.xStride() + from * VectorInt8.RECORD_BYTES;
            inputs.read(
                    x,
                    operands.xStride(),
                    tokens,
                    count,
                    0,
                    format.codes().pairsOfSum() > 0,
                    format.perUnit());
            for (int vector = operands.vectorFrom();
                    vector < operands.vectorTo();
                    vector += VectorPanel.VECTORS) {
                for (int i = 0; i < VectorPanel.VECTORS; i++) {
                    if (vector + i < operands.vectorTo()) {
                        decode(operands, vector + i, from, count, i);
                    }
                }
                for (int first = 0; first < tokens; first += VectorPanel.TOKENS) {
                    multiplyPanel(operands, vector, from, count, token, first, tokens);
                }
            }
            from += VectorPanel.BLOCKS;
        } while (from < blocks);
    }

    private void decode(Operands operands, int vector, int from, int count, int place) {
        if (operands.grid().isPresent()) {
            operands.decode(operands.grid().get(), vector, from, count, panel, place);
            return;
        }
        VectorFormat format = operands.format();
        long tile = operands.tile(vector);
        long scales = tile + from * format.stride();
        format.codes()
                .decode(
                        scales + format.scales().blockBytes(),
                        format.stride(),
                        VectorCodes.STEP_BYTES,
                        count,
                        format.scales().subtracted(),
                        panel,
                        place);
        format.scales().decode(scales, format.stride(), count, panel, place);
    }

    /// Multiplies the panel by some tokens from `first` on; those beyond `tokens` are inputs of an
    /// earlier call, and what becomes of them is not stored.
    private void multiplyPanel(
            Operands operands, int vector, int from, int count, int token, int first, int tokens) {
        int some = Math.min(VectorPanel.TOKENS, tokens - first);
        int vectors = Math.min(VectorPanel.VECTORS, operands.vectorTo() - vector);
        if (from == 0) {
            Arrays.fill(panel.sums, 0);
        } else {
            for (int i = 0; i < vectors; i++) {
                load(operands, vector + i, token + first, some, panel.sums, i * STEP);
            }
        }
        panel.multiply(operands.format(), count, inputs, first * count);
        for (int i = 0; i < vectors; i++) {
            store(operands, vector + i, token + first, some, panel.sums, i * STEP);
        }
    }

    /// Reads the sums of some tokens from the outputs of a vector of rows.
    ///
    /// @param at of the first token, from which the next is a column of a panel apart
    private static void load(
            Operands operands, int vector, int token, int tokens, float[] sums, int at) {
        int rows = operands.rows() - vector * STEP;
        long from = operands.out(token, vector);
        for (int t = 0; t < tokens; t++) {
            FloatVector sum =
                    rows >= STEP
                            ? FloatVector.fromMemorySegment(SPECIES, SEGMENT, from, ORDER)
                            : FloatVector.fromMemorySegment(
                                    SPECIES, SEGMENT, from, ORDER, SPECIES.indexInRange(0, rows));
            sum.intoArray(sums, at + t * VectorPanel.COLUMN);
            from += operands.outStride();
        }
    }

    private static void store(
            Operands operands, int vector, int token, int tokens, float[] sums, int at) {
        int rows = operands.rows() - vector * STEP;
        long to = operands.out(token, vector);
        for (int t = 0; t < tokens; t++) {
            FloatVector sum = FloatVector.fromArray(SPECIES, sums, at + t * VectorPanel.COLUMN);
            if (rows >= STEP) {
                sum.intoMemorySegment(SEGMENT, to, ORDER);
            } else {
                sum.intoMemorySegment(SEGMENT, to, ORDER, SPECIES.indexInRange(0, rows));
            }
            to += operands.outStride();
        }
    }
}
