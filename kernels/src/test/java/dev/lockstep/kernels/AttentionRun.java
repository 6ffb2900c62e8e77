// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;

/// A run of sequences of random tokens through an attention backend, step by step.
///
/// A token's q, k and v are a function of (sequence, position, layer), so that a token is the same
/// in any step. [#output] keeps its attention output.
public final class AttentionRun {
    static final int BLOCK = 16;
    static final int POSITIONS = 2048;

    /// A sequence of NaN only, whose blocks keep the NaN after [#release].
    static final int POISON = -1;

    /// Tokens of NaN in a padding row.
    public static final int PADDING = -2;

    static final int LINES = 200;
    static final int COLUMNS = POSITIONS / BLOCK + 1;

    /// An entry of the block table that nothing may read.
    private static final int GUARD = Integer.MIN_VALUE;

    private final TestDevice device;
    private final AttentionShape shape;
    private final KvLayout layout;
    private final AttentionBackend backend;
    private final PagedKv kv;
    private RotaryTable rotary;
    private final Tensor blockTable;
    private final int[] entries = new int[LINES * COLUMNS];
    private final List<Integer> freeLines = new ArrayList<>();
    private final Map<Integer, Integer> lines = new HashMap<>();
    private final List<Integer> free = new ArrayList<>();
    private final Map<Integer, List<Integer>> tables = new HashMap<>();
    private final Map<List<Integer>, int[]> outputs = new HashMap<>();
    private final Map<Integer, Integer> lengths = new HashMap<>();
    private float[] sinks = new float[0];
    private Optional<StoredE4m3> scaled = Optional.empty();
    private Optional<KvScales> scales = Optional.empty();
    private boolean readsLater;
    private boolean valuesLikeKeys;

    /// Some tokens of a sequence in one step.
    public record Chunk(int sequence, int computed, int count) {}

    /// Creates a run; `blockOrder` seeds the order in which blocks are allocated.
    public AttentionRun(
            TestDevice device, AttentionShape shape, DType kvType, int layers, long blockOrder) {
        this(
                device,
                shape,
                new KvLayout(layers, shape.kvHeads(), shape.headSize(), kvType, BLOCK),
                blockOrder);
    }

    /// Creates a run over a cache of this layout, of blocks of [#BLOCK].
    public AttentionRun(TestDevice device, AttentionShape shape, KvLayout layout, long blockOrder) {
        this.device = device;
        this.shape = shape;
        this.layout = layout;
        backend = device.kernels().attention(shape, layout);
        int blocks = 400;
        kv = device.kernels().allocateKv(layout, blocks);
        device.atClose(kv::close);
        int half = shape.headSize() / 2;
        rotary = device.kernels().prepareRotary(table(half, Math::cos), table(half, Math::sin));
        IntStream.range(1, blocks).forEach(free::add);
        Collections.shuffle(free, new Random(blockOrder));
        blockTable = device.zeros(DType.I32, LINES, COLUMNS);
        Arrays.fill(entries, GUARD);
        IntStream.range(0, LINES).forEach(freeLines::add);
        Collections.shuffle(freeLines, new Random(blockOrder));
    }

    /// Gives each query head a score without a value.
    public AttentionRun withSinks(float... scores) {
        sinks = scores;
        return this;
    }

    /// Divides the keys and values of each head by a scale before they are stored as FP8.
    public AttentionRun withKvScales(float[] keys, float[] values) {
        Kernels kernels = device.kernels();
        scales =
                Optional.of(
                        new KvScales(kernels.prepareVector(keys), kernels.prepareVector(values)));
        scaled = Optional.of(new StoredE4m3(shape, keys, values));
        return this;
    }

    /// Computes every output by a layer that has queries alone and attends to the keys and values
    /// that were stored before it.
    AttentionRun readingLater() {
        readsLater = true;
        return this;
    }

    /// Stores each key once more as its value. Nothing is rotated, as values are not.
    AttentionRun withValuesLikeKeys() {
        valuesLikeKeys = true;
        return withoutRotation();
    }

    /// Rotates nothing.
    AttentionRun withoutRotation() {
        rotary = device.kernels().prepareRotary(new float[POSITIONS][0], new float[POSITIONS][0]);
        return this;
    }

    public PagedKv kv() {
        return kv;
    }

    public KvLayout layout() {
        return layout;
    }

    /// Returns the blocks of a sequence, which are allocated as it grows.
    public List<Integer> table(int sequence) {
        return tables.computeIfAbsent(sequence, _ -> new ArrayList<>());
    }

    /// Frees a sequence's blocks and its line; the next sequence that grows gets them with their
    /// content.
    public void release(int sequence) {
        free.addAll(0, table(sequence));
        tables.remove(sequence);
        Integer line = lines.remove(sequence);
        if (line != null) {
            freeLines.addFirst(line);
        }
    }

    /// Returns where the entry of a sequence's block stands in the block table, line after line.
    int entry(int sequence, int block) {
        return line(sequence) * COLUMNS + block;
    }

    private int line(int sequence) {
        return lines.computeIfAbsent(sequence, _ -> freeLines.removeFirst());
    }

    public int takeBlock() {
        return free.removeFirst();
    }

    public void step(Chunk... chunks) {
        int[] rowLines = new int[chunks.length];
        for (int row = 0; row < chunks.length; row++) {
            rowLines[row] = writtenLine(chunks[row]);
        }
        step(chunks, rowLines);
    }

    /// Runs a step of one token in a row of this line.
    void stepOfLine(int line) {
        stepOfLine(line, 0);
    }

    /// Runs a step of one token after `computed` others.
    void stepOfLine(int line, int computed) {
        step(new Chunk[] {new Chunk(PADDING, computed, 1)}, new int[] {line});
    }

    /// Plans a step of padding rows that begin at these tokens, the last start being the end.
    void planOfStarts(int tokens, int... starts) {
        int rows = starts.length - 1;
        int[] padding = new int[rows];
        Arrays.fill(padding, PagedBatch.PADDING);
        var _ =
                backend.plan(
                        new PagedBatch(
                                rows,
                                tokens,
                                device.ints(1, rows + 1, starts),
                                device.zeros(DType.I32, 1, rows),
                                device.ints(1, rows, padding),
                                blockTable));
    }

    private void step(Chunk[] chunks, int[] rowLines) {
        int[] starts = new int[chunks.length + 1];
        int[] computed = new int[chunks.length];
        for (int row = 0; row < chunks.length; row++) {
            starts[row + 1] = starts[row] + chunks[row].count();
            computed[row] = chunks[row].computed();
        }
        int tokens = starts[chunks.length];
        int[] positions = new int[tokens];
        for (int row = 0; row < chunks.length; row++) {
            for (int i = 0; i < chunks[row].count(); i++) {
                positions[starts[row] + i] = computed[row] + i;
            }
        }
        device.kernels().copyToDevice(MemorySegment.ofArray(entries), blockTable);
        AttentionPlan plan =
                backend.plan(
                        new PagedBatch(
                                chunks.length,
                                tokens,
                                device.ints(1, starts.length, starts),
                                device.ints(1, computed.length, computed),
                                device.ints(1, rowLines.length, rowLines),
                                blockTable));
        for (int layer = 0; layer < layout.layers(); layer++) {
            run(plan, layer, chunks, device.ints(1, tokens, positions));
        }
    }

    /// Returns the line of a chunk's sequence, with the entries of its blocks; the later ones are
    /// those of an earlier sequence. The sequence gets the blocks that it needs.
    private int writtenLine(Chunk chunk) {
        if (chunk.sequence() == PADDING) {
            return PagedBatch.PADDING;
        }
        List<Integer> table = table(chunk.sequence());
        while (table.size() * BLOCK < chunk.computed() + chunk.count()) {
            table.add(takeBlock());
        }
        lengths.merge(chunk.sequence(), chunk.computed() + chunk.count(), Math::max);
        int line = line(chunk.sequence());
        for (int i = 0; i < table.size(); i++) {
            entries[line * COLUMNS + i] = table.get(i);
        }
        return line;
    }

    private void run(AttentionPlan plan, int layer, Chunk[] chunks, Tensor positions) {
        int tokens = positions.columns();
        int columns = shape.qkvColumns(layout);
        float[] qkv = new float[tokens * columns];
        int token = 0;
        for (Chunk chunk : chunks) {
            for (int i = 0; i < chunk.count(); i++) {
                float[] row = token(chunk.sequence(), chunk.computed() + i, layer);
                System.arraycopy(row, 0, qkv, token++ * columns, columns);
            }
        }
        Tensor fused = device.activations(tokens, columns, qkv);
        int outColumns = shape.queryHeads() * shape.headSize();
        float[] unwritten = new float[tokens * outColumns];
        Arrays.fill(unwritten, Float.NaN);
        Tensor out = device.activations(tokens, outColumns, unwritten);
        backend.rotateAndStore(plan, fused, rotary, positions, kv, layer, scales);
        if (readsLater) {
            int queries = shape.queryHeads() * shape.headSize();
            for (int i = 0; i < qkv.length; i++) {
                qkv[i] = i % columns < queries ? qkv[i] : Float.NaN;
            }
            fused = device.activations(tokens, columns, qkv);
            backend.rotateQueries(plan, fused, rotary, positions);
        }
        Optional<Tensor> scores =
                sinks.length == 0
                        ? Optional.empty()
                        : Optional.of(device.kernels().prepareVector(sinks));
        backend.attend(plan, fused, kv, layer, scales, scores, out);
        int[] bits = device.bits(out);
        token = 0;
        for (Chunk chunk : chunks) {
            for (int i = 0; i < chunk.count(); i++, token++) {
                outputs.put(
                        List.of(chunk.sequence(), chunk.computed() + i, layer),
                        Arrays.copyOfRange(
                                bits, token * out.columns(), (token + 1) * out.columns()));
            }
        }
    }

    /// Returns the bits of the attention output of a token, `[queryHeads · headSize]`.
    public int[] output(int sequence, int position, int layer) {
        int[] bits = outputs.get(List.of(sequence, position, layer));
        if (bits == null) {
            throw new IllegalArgumentException("token " + position + " was not computed");
        }
        return bits;
    }

    /// Returns all outputs of a sequence, concatenated.
    public int[] outputs(int sequence, int length) {
        return IntStream.range(0, length)
                .boxed()
                .flatMap(
                        position ->
                                IntStream.range(0, layout.layers())
                                        .mapToObj(layer -> output(sequence, position, layer)))
                .flatMapToInt(Arrays::stream)
                .toArray();
    }

    /// Returns how far a result may be from [#reference], besides its rounding to the activation
    /// type: the bound of the cache's rounding (except to codes), and where activations are shorter
    /// than F32 that of the rotated queries and keys.
    private double bound(KernelsContract contract) {
        double activations =
                device.activationType() == DType.F32 ? 0 : bound(device.activationType());
        return contract.tolerances().attention() * (bound(layout.type()) + activations);
    }

    private static double bound(DType type) {
        return switch (type) {
            // A few hundred roundings of values near 1.
            case F32, I8, FP8 -> 2e-5;
            // Keys and values are rounded to 11 and to 8 bits; a score is a sum of up to 128 such
            // products.
            case F16 -> 4e-3;
            case BF16 -> 3e-2;
            case I32 -> throw new IllegalArgumentException("no attention over " + type);
        };
    }

    /// Requires the output of a token in layer 0 to be close to the reference.
    void requireReference(KernelsContract contract, int sequence, int position) {
        AttentionReference exact = reference(sequence, position, 0);
        requireClose(contract, exact, boundOfCache(exact), sequence, position);
        if (layout.type() == DType.FP8) {
            AttentionReference rounded = ofE4m3().rounded(exact);
            double[] bound = rounded.bound(ofE4m3().otherSide(exact));
            requireClose(contract, rounded, bound, sequence, position);
        }
    }

    private double[] boundOfCache(AttentionReference reference) {
        return switch (layout.type()) {
            case I8 -> reference.boundOfQ8();
            case FP8 -> reference.bound(ofE4m3().half(reference));
            case F32, F16, BF16, I32 -> new double[shape.queryHeads() * shape.headSize()];
        };
    }

    private StoredE4m3 ofE4m3() {
        return scaled.orElseGet(() -> StoredE4m3.withoutScales(shape));
    }

    private void requireClose(
            KernelsContract contract,
            AttentionReference reference,
            double[] ofCache,
            int sequence,
            int position) {
        double[] expected = reference.output();
        int[] bits = output(sequence, position, 0);
        assertEquals(expected.length, bits.length);
        for (int i = 0; i < bits.length; i++) {
            int element = i;
            Rounding.requireClose(
                    expected[i],
                    Float.intBitsToFloat(bits[i]),
                    bound(contract) + ofCache[i],
                    device.activationType(),
                    () -> "element " + element);
        }
    }

    /// Requires the outputs of sequence 0 to be those that another run computed, in other steps.
    void requireSame(KernelsContract contract, int[] expected, int length, String what) {
        contract.requireSameInAnyBatch(
                expected, outputs(0, length), bound(contract), device.activationType(), what);
    }

    /// Returns the fused row of a token, before rotation, as the activation type stores it.
    public float[] token(int sequence, int position, int layer) {
        float[] values = new float[shape.qkvColumns(layout)];
        if (sequence == POISON || sequence == PADDING) {
            Arrays.fill(values, Float.NaN);
            return values;
        }
        var random = new Random(((long) sequence * POSITIONS + position) * 64 + layer);
        random.nextLong();
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        if (valuesLikeKeys) {
            int width = shape.kvHeads() * shape.headSize();
            int keys = shape.queryHeads() * shape.headSize();
            System.arraycopy(values, keys, values, keys + width, width);
        }
        return device.stored(values);
    }

    /// Returns attention of one token, over keys and values as they are before they are stored.
    public AttentionReference reference(int sequence, int position, int layer) {
        int last = shape.lastSeen(position, lengths.getOrDefault(sequence, position + 1));
        double[][] tokens = new double[last + 1][];
        for (int t = 0; t <= last; t++) {
            tokens[t] = withValues(rotated(sequence, t, layer));
        }
        return new AttentionReference(shape, tokens, position, sinks);
    }

    /// Returns a rotated row with its keys once more as values, where it has none.
    private double[] withValues(double[] row) {
        if (!layout.valuesAreKeys()) {
            return row;
        }
        int width = shape.kvHeads() * shape.headSize();
        double[] whole = Arrays.copyOf(row, row.length + width);
        System.arraycopy(row, row.length - width, whole, row.length, width);
        return whole;
    }

    /// Frees the blocks that no token from `position` on attends to, and other sequences get them:
    /// their entries become the null block or a guard.
    void dropBeforeWindow(int sequence, int position) {
        List<Integer> table = table(sequence);
        for (int i = 0; i < shape.firstSeen(position) / BLOCK; i++) {
            if (table.get(i) > 0) {
                free.addFirst(table.set(i, i % 2 == 0 ? 0 : GUARD));
            }
        }
    }

    private double[] rotated(int sequence, int position, int layer) {
        float[] token = token(sequence, position, layer);
        double[] out = new double[token.length];
        int size = shape.headSize();
        int half = rotary.dimensions() / 2;
        for (int i = 0; i < token.length; i++) {
            int head = i / size;
            int d = i % size;
            if (head >= shape.queryHeads() + shape.kvHeads() || d >= 2 * half) {
                out[i] = token[i];
            } else {
                double angle = angle(position, d % half, half);
                double other = d < half ? -token[i + half] : token[i - half];
                out[i] = token[i] * Math.cos(angle) + other * Math.sin(angle);
            }
        }
        return out;
    }

    private static double angle(int position, int i, int half) {
        return position * Math.pow(10000, -(double) i / half);
    }

    private static float[][] table(int half, DoubleUnaryOperator function) {
        float[][] table = new float[POSITIONS][half];
        for (int position = 0; position < POSITIONS; position++) {
            for (int i = 0; i < half; i++) {
                table[position][i] = (float) function.applyAsDouble(angle(position, i, half));
            }
        }
        return table;
    }
}
