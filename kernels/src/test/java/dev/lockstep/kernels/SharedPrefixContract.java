// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.kernels.AttentionRun.Chunk;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The contract of attention of sequences whose block tables begin with the same blocks: a row has
/// the bits that it has alone in a step.
public interface SharedPrefixContract extends AttentionContract {
    int PREFIX = 100;
    int PREFIX_TOKENS = 1024;
    int ALONE = 50;
    int ALONE_POSITION = 520;
    int PROMPT = 60;
    int SEGMENT = 512;

    /// One token each, in the order of a step: sequence s shares the blocks of so many segments.
    List<Integer> SHARED = List.of(2, 2, 2, 1, 1, 1, 2, 2, 1, 2);

    List<Integer> POSITIONS = List.of(1024, 1024, 1030, 512, 513, 1030, 1039, 1100, 540, 1540);

    @Test
    default void rowsOfOnePrefixAreTheSameForAnyType() {
        for (DType type : kvTypes(64)) {
            int headSize = type == DType.I8 ? 64 : 48;
            requireSame(new AttentionShape(new int[] {0, 0, 1, 1, 1}, 2, headSize, 0.14f), type);
        }
    }

    @Test
    default void rowsOfOnePrefixAreTheSameForAnyHeads() {
        int[][] layouts = {{0, 1}, {0, 0, 0, 0, 1, 1, 1, 1}, new int[40], {0, 0, 2}, new int[11]};
        for (int[] kvHeadOf : layouts) {
            requireSame(new AttentionShape(kvHeadOf, 3, 32, 0.2f), DType.F16);
        }
    }

    @Test
    default void aWindowChunksAndSoftCapAreKeptOverOnePrefix() {
        int[] heads = {0, 0, 1};
        requireSame(new AttentionShape(heads, 2, 32, 0.2f, 700, 0), DType.F32);
        requireSame(new AttentionShape(heads, 2, 32, 0.2f, 640, 0, 0, true), DType.F32);
        int none = AttentionShape.NO_WINDOW;
        requireSame(new AttentionShape(heads, 2, 32, 0.2f, none, 1.5f), DType.BF16);
    }

    @Test
    default void valuesThatAreKeysAreTheSameOverOnePrefix() {
        var shape = new AttentionShape(new int[6], 1, 64, 0.125f);
        for (DType type : kvTypes(64)) {
            requireSame(shape, new KvLayout(1, 1, 64, type, AttentionRun.BLOCK, true));
        }
    }

    private void requireSame(AttentionShape shape, DType type) {
        int kvHeads = shape.kvHeads();
        requireSame(shape, new KvLayout(1, kvHeads, shape.headSize(), type, AttentionRun.BLOCK));
    }

    private void requireSame(AttentionShape shape, KvLayout layout) {
        for (int threads = 1; threads <= 3; threads++) {
            try (var device = new TestDevice(open(threads))) {
                float[] sinks = new float[shape.queryHeads()];
                sinks[0] = 2;
                AttentionRun run = new AttentionRun(device, shape, layout, threads);
                run.withSinks(sinks);
                store(run);
                Chunk[] rows = new Chunk[SHARED.size()];
                int[][] expected = new int[rows.length + 1][];
                for (int s = 0; s < rows.length; s++) {
                    rows[s] = new Chunk(s, POSITIONS.get(s), 1);
                    run.step(rows[s]);
                    expected[s] = run.output(s, POSITIONS.get(s), 0);
                }
                var alone = new Chunk(ALONE, ALONE_POSITION, 1);
                run.step(alone);
                expected[rows.length] = run.output(ALONE, ALONE_POSITION, 0);
                run.step(rows);
                require(run, expected, shape, layout.type() + ", rows of one token");
                run.step(
                        new Chunk(PROMPT, 0, 21),
                        rows[9],
                        rows[0],
                        rows[1],
                        alone,
                        rows[2],
                        rows[3],
                        new Chunk(AttentionRun.PADDING, 0, 1),
                        rows[4],
                        rows[8],
                        rows[5],
                        new Chunk(PROMPT + 1, 0, 1),
                        rows[6],
                        rows[7],
                        new Chunk(AttentionRun.PADDING, 0, 2));
                require(run, expected, shape, layout.type() + ", among others");
            }
        }
    }

    /// Stores the prefix, and what each sequence has after its part of it.
    private static void store(AttentionRun run) {
        run.step(new Chunk(PREFIX, 0, PREFIX_TOKENS));
        run.step(new Chunk(ALONE, 0, ALONE_POSITION));
        for (int s = 0; s < SHARED.size(); s++) {
            int shared = SHARED.get(s) * SEGMENT;
            List<Integer> blocks = run.table(PREFIX).subList(0, shared / AttentionRun.BLOCK);
            run.table(s).addAll(blocks);
            run.step(new Chunk(s, shared, POSITIONS.get(s) - shared));
        }
    }

    private void require(AttentionRun run, int[][] expected, AttentionShape shape, String what) {
        for (int s = 0; s < expected.length; s++) {
            boolean shares = s < SHARED.size();
            int[] actual =
                    run.output(shares ? s : ALONE, shares ? POSITIONS.get(s) : ALONE_POSITION, 0);
            String row = "%s, %d heads, row %d".formatted(what, shape.queryHeads(), s);
            requireSameInAnyBatch(expected[s], actual, 1e-3, DType.F32, row);
        }
    }
}
