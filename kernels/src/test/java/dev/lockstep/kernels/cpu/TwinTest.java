// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.AttentionRun;
import dev.lockstep.kernels.AttentionRun.Chunk;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.FurtherRowContract;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.LinearAttentionHeads;
import dev.lockstep.kernels.StateContract;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.TestValues;
import dev.lockstep.kernels.Xielu;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// C++ and the Vector API compute the same bits, and both agree with plain arithmetic.
final class TwinTest {
    private static final Set<InstructionSet> TWINS =
            EnumSet.of(InstructionSet.AVX512, InstructionSet.AVX2, InstructionSet.NEON);

    @Test
    void anExponentialIsWithinTwoUlp() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment lanes = arena.allocate(64, 64);
            for (float x = -86.9f; x < 88; x += 0.0137f) {
                lanes.set(ValueLayout.JAVA_FLOAT, 0, x);
                VectorExponential.lanes(lanes.address(), 0, 1);
                float actual = Exponential.of(x);
                assertEquals(actual, lanes.get(ValueLayout.JAVA_FLOAT, 0));
                double expected = Math.exp(x);
                assertEquals(expected, actual, 2 * Math.ulp((float) expected));
            }
        }
        assertEquals(0, Exponential.of(Float.NEGATIVE_INFINITY));
        assertEquals(0, Exponential.of(-88));
        assertEquals(1, Exponential.of(0));
        assertEquals(Exponential.of(88), Exponential.of(1e9f));
    }

    /// Returns an instruction set for each width of vectors that this machine has.
    static List<InstructionSet> twins() {
        List<InstructionSet> twins =
                InstructionSet.available().stream().filter(TWINS::contains).toList();
        assumeTrue(!twins.isEmpty(), "skipped: neither AVX-512 nor AVX2 kernels can run here");
        return twins;
    }

    private static void requireSame(Function<InstructionSet, int[]> bits, String message) {
        int[] expected = bits.apply(InstructionSet.VECTOR_API);
        for (InstructionSet set : twins()) {
            assertArrayEquals(expected, bits.apply(set), message + " on " + set);
        }
    }

    @Test
    void rowsHaveTheSameBits() {
        for (int width : new int[] {1, 15, 576, 1000}) {
            requireSame(set -> rows(set, width), "width " + width);
        }
    }

    @Test
    void attentionHasTheSameBits() {
        requireSameAttention(20, DType.F32, 70);
        requireSameAttention(48, DType.BF16, 70);
        // More than a segment.
        requireSameAttention(32, DType.F16, 530);
        requireSameAttention(128, DType.F32, 70);
        // A single group, and several.
        requireSameAttention(32, DType.I8, 530);
        requireSameAttention(96, DType.I8, 90);
        requireSameAttention(32, DType.FP8, 530);
        requireSameAttention(20, DType.FP8, 70);
        requireSameAttention(128, DType.FP8, 70);
    }

    @ParameterizedTest
    @MethodSource("twins")
    void samplingOpsGiveTheSameResults(InstructionSet set) {
        SamplingOps java = new VectorSamplingOps();
        SamplingOps cpp = new NativeSamplingOps(NativeLibrary.load(set));
        var random = new Random(3);
        for (int count : new int[] {1, 17, 63, 64, 1000, 49152}) {
            for (int trial = 0; trial < 5; trial++) {
                try (Arena arena = Arena.ofConfined()) {
                    float[] values = TestValues.normal(random, count);
                    for (int i = 0; i < count; i++) {
                        values[i] = trial == 0 ? random.nextInt(3) : 3 * values[i];
                    }
                    values[random.nextInt(count)] = Float.NaN;
                    values[random.nextInt(count)] = Float.NEGATIVE_INFINITY;
                    requireSame(java, cpp, values, trial, arena);
                }
            }
        }
    }

    private static void requireSame(
            SamplingOps java, SamplingOps cpp, float[] values, int trial, Arena arena) {
        int count = values.length;
        int chunks = SamplingOps.chunks(count);
        MemorySegment a = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
        MemorySegment b = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
        MemorySegment inA = arena.allocate(4L * (chunks + count), 64);
        MemorySegment inB = arena.allocate(4L * (chunks + count), 64);
        int first = java.argMax(a.address(), count);
        assertEquals(first, cpp.argMax(b.address(), count));
        java.clean(a.address(), count, inA.address());
        cpp.clean(b.address(), count, inB.address());
        assertEquals(-1, a.mismatch(b));
        assertEquals(-1, inA.mismatch(inB));
        assertEquals(first, java.argMax(a.address(), count));
        float greatest = a.getAtIndex(ValueLayout.JAVA_FLOAT, first);
        if (greatest == Float.NEGATIVE_INFINITY) {
            return;
        }
        assertEquals(
                java.exponentialSum(a.address(), count, greatest, 0.7f),
                cpp.exponentialSum(b.address(), count, greatest, 0.7f));
        float limit = greatest - trial;
        assertEquals(
                java.collect(a.address(), count, limit, inA.address()),
                cpp.collect(b.address(), count, limit, inB.address()));
        assertEquals(-1, inA.mismatch(inB));
        for (int position = 0; position < 20; position++) {
            double factor = position % 2 == 0 ? 1 : 0.3;
            int drawn = exhaustive(a.address(), count, greatest, factor, position);
            assertEquals(
                    drawn,
                    java.draw(a.address(), count, greatest, first, factor, -5L, 3, position));
            assertEquals(
                    drawn, cpp.draw(b.address(), count, greatest, first, factor, -5L, 3, position));
        }
    }

    /// Returns the draw with every token's noise computed, none skipped.
    private static int exhaustive(
            long logits, int count, float greatest, double factor, int position) {
        int[] words = new int[4];
        int best = 0;
        double bestScore = Double.NEGATIVE_INFINITY;
        for (int id = 0; id < count; id++) {
            double x = AllMemory.SEGMENT.get(VectorLanes.FLOAT, logits + id * 4L);
            double score = (x - greatest) * factor + Gumbel.noise(-5L, 3, position, id, words);
            if (score > bestScore) {
                bestScore = score;
                best = id;
            }
        }
        return best;
    }

    private static int[] rows(InstructionSet set, int width) {
        try (var device = new TestDevice(OpenKernels.of(set, 2))) {
            var random = new Random(4);
            Tensor x = device.floats(3, width, TestValues.normal(random, 3 * width));
            Tensor sums = device.floats(3, width, TestValues.normal(random, 3 * width));
            Tensor weight = device.floats(1, width, TestValues.normal(random, width));
            Tensor all = device.zeros(DType.F32, 3, 4 * width);
            device.kernels().addRmsNorm(x, sums, weight, 1e-6f, all.columns(0, width));
            device.kernels().rmsNorm(x, weight, 1e-6f, all.columns(width, 2 * width));
            float[] gates = TestValues.normal(random, 6 * width);
            gates[0] = 200;
            gates[gates.length - 1] = Float.NEGATIVE_INFINITY;
            device.kernels()
                    .activateMultiply(
                            Activation.SILU,
                            device.floats(3, 2 * width, gates),
                            all.columns(2 * width, 3 * width));
            return device.bits(all);
        }
    }

    private static void requireSameAttention(int headSize, DType type, int length) {
        requireSame(set -> attention(set, headSize, type, length), headSize + " of " + type);
    }

    @Test
    void attentionOverKeysAloneHasTheSameBits() {
        for (int headSize : new int[] {96, 36}) {
            var shape = new AttentionShape(new int[6], 1, headSize, 0.3f);
            for (DType type : DType.values()) {
                if (type != DType.I32 && (type != DType.I8 || headSize % KvLayout.GROUP == 0)) {
                    requireSame(set -> keysAlone(set, shape, type), headSize + " of " + type);
                }
            }
        }
    }

    private static int[] keysAlone(InstructionSet set, AttentionShape shape, DType type) {
        try (var device = new TestDevice(OpenKernels.of(set, 2))) {
            var layout = new KvLayout(2, 1, shape.headSize(), type, CpuPagedKv.BLOCK, true);
            var run = new AttentionRun(device, shape, layout, 5);
            run.step(new Chunk(0, 0, 140), new Chunk(1, 0, 19));
            run.step(new Chunk(0, 140, 1), new Chunk(1, 19, 1));
            return run.outputs(0, 141);
        }
    }

    @Test
    void windowsAndSoftCapsHaveTheSameBits() {
        for (int window : new int[] {5, 16, 40, 520}) {
            var shape = new AttentionShape(new int[] {0, 0, 0, 1}, 2, 32, 0.3f, window, 2f);
            for (DType type : new DType[] {DType.F32, DType.F16, DType.I8, DType.FP8}) {
                requireSame(set -> attention(set, shape, type, 600), type + ", window " + window);
            }
        }
    }

    @Test
    void attentionToLaterTokensHasTheSameBits() {
        for (int side : new int[] {0, 5, 16, 520, AttentionShape.NO_WINDOW - 1}) {
            var shape =
                    new AttentionShape(
                            new int[] {0, 0, 0, 1}, 2, 32, 0.3f, side + 1, side, 0, false);
            for (DType type : new DType[] {DType.F32, DType.F16, DType.I8, DType.FP8}) {
                requireSame(set -> ahead(set, shape, type, 600), type + ", side " + side);
            }
        }
    }

    private static int[] ahead(InstructionSet set, AttentionShape shape, DType type, int length) {
        try (var device = new TestDevice(OpenKernels.of(set, 2))) {
            var run = new AttentionRun(device, shape, type, 1, 1);
            run.step(new Chunk(0, 0, length), new Chunk(1, 0, 30));
            return run.outputs(0, length);
        }
    }

    @Test
    void statesHaveTheSameBits() {
        for (LinearAttentionHeads heads : StateContract.SHAPES) {
            requireSame(set -> states(set, heads), heads.toString());
        }
    }

    private static int[] states(InstructionSet set, LinearAttentionHeads heads) {
        try (var device = new TestDevice(OpenKernels.of(set, 2))) {
            return StateContract.bits(device, heads);
        }
    }

    @Test
    void aHyperbolicTangentIsWithinTwoUlp() {
        for (float x = -12; x < 12; x += 0.00137f) {
            float expected = (float) Math.tanh(x);
            assertEquals(expected, HyperbolicTangent.of(x), 2 * Math.ulp(expected), "tanh " + x);
        }
        assertEquals(1, HyperbolicTangent.of(Float.POSITIVE_INFINITY));
    }

    @Test
    void furtherRowOpsHaveTheSameBits() {
        for (int width : new int[] {1, 15, 48, 576}) {
            requireSame(set -> furtherRows(set, width), "width " + width);
        }
    }

    private static int[] furtherRows(InstructionSet set, int width) {
        try (var device = new TestDevice(OpenKernels.of(set, 2))) {
            var random = new Random(9);
            Tensor x = device.floats(3, width, TestValues.normal(random, 3 * width));
            Tensor weight = device.floats(1, width, TestValues.normal(random, width));
            Tensor bias = device.floats(1, width, TestValues.normal(random, width));
            float[] wide = TestValues.normal(random, 6 * width);
            for (int i = 0; i < wide.length; i += 3) {
                wide[i] *= 5;
            }
            Tensor gateUp = device.floats(3, 2 * width, wide);
            Tensor all = device.zeros(DType.F32, 3, 11 * width + 1);
            Kernels kernels = device.kernels();
            kernels.layerNorm(x, weight, bias, 1e-5f, all.columns(0, width));
            int column = width;
            for (Activation activation : FurtherRowContract.ALONE) {
                kernels.activate(
                        activation, gateUp.columns(0, width), all.columns(column, column + width));
                kernels.activateMultiply(
                        activation, gateUp, all.columns(column + width, column + 2 * width));
                column += 2 * width;
            }
            kernels.activateMultiply(
                    Activation.CLAMPED_SWIGLU, gateUp, all.columns(column, column + width));
            kernels.squareSums(x, all.columns(11 * width, 11 * width + 1));
            Tensor last = all.columns(10 * width, 11 * width);
            kernels.add(last, x);
            kernels.normalizeBySums(
                    last, all.columns(11 * width, 11 * width + 1), width, weight, 1e-5f);
            kernels.add(last, bias);
            kernels.scale(last, 1.7f);
            kernels.addGated(last, x, gateUp.columns(0, 1));
            kernels.scaleRows(
                    last, device.tensor(DType.F32, 1, 2, 0.9f, 1.3f), device.ints(1, 3, 1, 0, 1));
            kernels.xielu(new Xielu(0.75f, 1.25f, 0.5f, -1e-6f), last);
            kernels.softCap(last, 1.5f);
            return device.bits(all);
        }
    }

    private static int[] attention(InstructionSet set, int headSize, DType type, int length) {
        var shape = new AttentionShape(new int[] {0, 0, 0, 1}, 2, headSize, 0.3f);
        return attention(set, shape, type, length);
    }

    private static int[] attention(
            InstructionSet set, AttentionShape shape, DType type, int length) {
        try (var device = new TestDevice(OpenKernels.of(set, 2))) {
            float[] sinks = {-1, 0.5f, 3, 20};
            var run = new AttentionRun(device, shape, type, 1, 5).withSinks(sinks);
            if (type == DType.FP8) {
                run.withKvScales(new float[] {0.3f, 1.7f}, new float[] {5, 0.1f});
            }
            run.step(new Chunk(0, 0, length), new Chunk(1, 0, 19));
            run.step(new Chunk(0, length, 1), new Chunk(1, 19, 1));
            return run.outputs(0, length + 1);
        }
    }
}
