// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.lockstep.kernels.AttentionRun.Chunk;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The contract of padding rows: they store, read, sample and record nothing, wherever they are in
/// a step.
public interface PaddingContract extends KernelsContract {
    int VOCABULARY = 100;

    @Test
    default void paddingRowsStoreAndReadNothing() {
        for (DType type : new DType[] {DType.F32, DType.F16, DType.BF16}) {
            int[] expected = unpadded(type);
            try (TestDevice device = device()) {
                var run = new AttentionRun(device, shape(), type, 2, 3);
                run.step(padding(2), new Chunk(0, 0, 20), padding(1), new Chunk(1, 0, 16));
                run.step(new Chunk(1, 16, 1), padding(1), padding(0), padding(20));
                run.step(padding(1), new Chunk(0, 20, 20), new Chunk(1, 17, 1));
                for (int at = 40; at < 50; at++) {
                    run.step(new Chunk(0, at, 1), new Chunk(1, at - 22, 1), padding(1), padding(1));
                }
                run.requireSame(this, expected, 50, "among padding");
                run.requireReference(this, 0, 49);
                run.requireReference(this, 1, 27);
            }
        }
    }

    @Test
    default void theOutputOfPaddingIsZero() {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, shape(), DType.F32, 1, 4);
            run.step(new Chunk(0, 0, 5), padding(3), new Chunk(1, 0, 5), padding(1));
            for (int position = 0; position < 3; position++) {
                int[] out = run.output(AttentionRun.PADDING, position, 0);
                assertArrayEquals(new int[out.length], out);
            }
        }
    }

    @Test
    default void aStepMayBePaddingOnly() {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, shape(), DType.F16, 1, 5);
            run.step(padding(1));
            run.step(padding(1), padding(7), padding(1));
            int[] out = run.output(AttentionRun.PADDING, 0, 0);
            assertArrayEquals(new int[out.length], out);
        }
    }

    @Test
    default void linesThatDoNotExistAreRefused() {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, shape(), DType.F32, 1, 6);
            for (int line : new int[] {-2, AttentionRun.LINES, Integer.MAX_VALUE}) {
                IndexException refused =
                        assertInstanceOf(
                                IndexException.class,
                                device.requireRefused(() -> run.stepOfLine(line)));
                assertEquals(CheckedIndex.PLANNED_LINE, refused.checked());
                assertEquals(0, refused.index());
                assertEquals(line, refused.value());
                assertEquals(AttentionRun.LINES, refused.limit());
            }
            run.step(new Chunk(0, 0, 3));
            run.requireReference(this, 0, 2);
        }
    }

    @Test
    default void paddingIsNeitherSampledNorRecorded() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 2, VOCABULARY);
            SamplingSettings settings =
                    SamplingRun.measured(
                            SamplingSettings.builder().temperature(1).frequencyPenalty(1).build(),
                            2);
            int[] prompt = {1, 2, 3};
            run.sampler().admit(0, settings, prompt, new int[0]);
            run.sampler().admit(1, SamplingSettings.greedy(), prompt, new int[] {4});
            float[] logits = TestValues.normal(new Random(1), VOCABULARY);
            int alone = run.sample(logits, 0);
            int greedy = run.sample(logits, 1);

            int rows = 5;
            guard(device, run.samples(), rows);
            int[] sampled = run.sampleAll(logits, -1, 0, -1, 1, -1);
            assertArrayEquals(new int[] {77, alone, 77, greedy, 77}, sampled);
            float[] logprobs = device.floats(run.samples().rows(rows).logprobs());
            float[] top = device.floats(run.samples().rows(rows).topLogprobs());
            int[] topIds = device.ints(run.samples().rows(rows).topIds());
            for (int row = 0; row < rows; row += 2) {
                assertEquals(7, logprobs[row]);
                int width = SamplingSettings.MAX_TOP_LOGPROBS;
                for (int i = row * width; i < (row + 1) * width; i++) {
                    assertEquals(7, top[i]);
                    assertEquals(77, topIds[i]);
                }
            }

            run.record(new int[] {-1, 1, -1, 0}, new int[] {Integer.MIN_VALUE, 8, VOCABULARY, 9});
            Tensor ids = device.ints(1, 5, 0, -2, 0, -1, 50);
            run.sampler().resolve(ids);
            assertArrayEquals(new int[] {0, 8, 0, 9, 50}, device.ints(ids));
        }
    }

    @Test
    default void paddingChangesNoCount() {
        float[] logits = TestValues.normal(new Random(2), VOCABULARY);
        SamplingSettings settings =
                SamplingSettings.builder().presencePenalty(2).frequencyPenalty(1).build();
        int[][] chosen = new int[2][];
        for (int padded = 0; padded < 2; padded++) {
            try (TestDevice device = device()) {
                var run = new SamplingRun(device, 1, VOCABULARY);
                run.sampler().admit(0, settings, new int[] {1}, new int[0]);
                chosen[padded] = new int[20];
                for (int step = 0; step < 20; step++) {
                    int id =
                            padded == 0
                                    ? run.sample(logits, 0)
                                    : run.sampleAll(logits, 0, -1, -1)[0];
                    chosen[padded][step] = id;
                    int next = (id + 1) % VOCABULARY;
                    if (padded == 0) {
                        run.record(0, id);
                    } else {
                        run.record(new int[] {-1, 0, -1}, new int[] {next, id, next});
                    }
                }
            }
        }
        assertArrayEquals(chosen[0], chosen[1]);
    }

    @Test
    default void otherNegativeSlotsAreRefused() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 2, VOCABULARY);
            run.sampler().admit(0, SamplingSettings.greedy(), new int[] {1}, new int[0]);
            for (int slot : new int[] {-2, 2, Integer.MIN_VALUE}) {
                device.requireRefused(() -> run.sampleAll(new float[VOCABULARY], 0, slot));
                device.requireRefused(() -> run.record(slot, 1));
            }
        }
    }

    private static void guard(TestDevice device, Samples samples, int rows) {
        Samples first = samples.rows(rows);
        int[] ids = new int[rows * SamplingSettings.MAX_TOP_LOGPROBS];
        float[] values = new float[ids.length];
        Arrays.fill(ids, 77);
        Arrays.fill(values, 7);
        device.kernels().copyToDevice(MemorySegment.ofArray(ids), first.ids());
        device.kernels().copyToDevice(MemorySegment.ofArray(ids), first.topIds());
        device.write(first.logprobs(), values);
        device.write(first.topLogprobs(), values);
    }

    private static Chunk padding(int tokens) {
        return new Chunk(AttentionRun.PADDING, 0, tokens);
    }

    /// Returns the outputs of sequence 0 in a run without padding.
    private int[] unpadded(DType type) {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, shape(), type, 2, 3);
            run.step(new Chunk(0, 0, 50));
            return run.outputs(0, 50);
        }
    }

    private static AttentionShape shape() {
        return new AttentionShape(new int[] {0, 0, 1, 1, 1}, 2, 48, 0.14f);
    }
}
