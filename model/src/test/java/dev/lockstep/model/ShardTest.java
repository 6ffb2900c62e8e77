// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.RopeConfig;
import dev.lockstep.checkpoint.RopeScaling;
import dev.lockstep.checkpoint.SpecialIds;
import dev.lockstep.checkpoint.TensorType;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardTest {
    /// The shape of SmolLM2-135M: 9 query heads, 3 KV heads.
    private static final ModelConfig SMOL = config(9, 3, 64, 576, 1536, 49152);

    @Test
    void headsAreCutAsWholeKvGroupsWhileThereAreEnough() {
        assertEquals(List.of(9), queryHeads(1));
        assertEquals(List.of(6, 3), queryHeads(2));
        assertEquals(List.of(3, 3, 3), queryHeads(3));
    }

    @Test
    void withMoreRanksThanKvHeadsEachHoldsACopyAndSomeOfItsQueryHeads() {
        assertEquals(List.of(2, 1, 3, 3), queryHeads(4));
        List<Shard> shards = Shard.cut(SMOL, 4);
        assertEquals(List.of(0, 0, 1, 2), shards.stream().map(s -> s.kvHeads().from()).toList());
        assertTrue(shards.stream().allMatch(s -> s.kvHeads().size() == 1));
        assertArrayEquals(new int[] {0, 0, 0}, shards.get(2).kvHeadOf(SMOL.attention()));
    }

    @Test
    void aQueryHeadReadsTheKvHeadOfItsGroup() {
        Shard first = Shard.cut(SMOL, 2).getFirst();
        assertArrayEquals(new int[] {0, 0, 0, 1, 1, 1}, first.kvHeadOf(SMOL.attention()));
    }

    @Test
    void layersOfFewerKvHeadsHaveThoseThatTheQueryHeadsOfARankRead() {
        var layer = new AttentionConfig(9, 1, 128, false);
        for (Shard shard : Shard.cut(SMOL, 2)) {
            assertEquals(new Span(0, 1), shard.kvHeads(layer));
            assertEquals(shard.kvHeads(), shard.kvHeads(SMOL.attention()));
        }
        assertArrayEquals(new int[6], Shard.cut(SMOL, 2).getFirst().kvHeadOf(layer));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9})
    void everyHeadColumnAndRowBelongsToOneRankInOrder(int size) {
        List<Shard> shards = Shard.cut(SMOL, size);
        assertCovers(shards.stream().map(Shard::queryHeads).toList(), 9);
        assertCovers(shards.stream().map(Shard::feedForward).toList(), 1536);
        assertCovers(shards.stream().map(Shard::vocabulary).toList(), 49152);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4, 5})
    void theFeedForwardCompensatesUnevenHeads(int size) {
        long min = Long.MAX_VALUE;
        long max = 0;
        for (Shard shard : Shard.cut(SMOL, size)) {
            long columns =
                    2L * (shard.queryHeads().size() + shard.kvHeads().size()) * 64
                            + 3L * shard.feedForward().size();
            min = Math.min(min, columns);
            max = Math.max(max, columns);
        }
        assertTrue(max - min <= 3L * Shard.UNIT, max + " against " + min);
    }

    @Test
    void aShardMayBeEmpty() {
        ModelConfig narrow = config(4, 4, 32, 128, 32, 64);
        List<Shard> shards = Shard.cut(narrow, 4);
        assertEquals(32, shards.stream().mapToInt(shard -> shard.feedForward().size()).sum());
        assertTrue(shards.stream().anyMatch(shard -> shard.feedForward().size() == 0));
        assertTrue(shards.stream().anyMatch(shard -> shard.vocabulary().size() == 0));
    }

    @Test
    void moreRanksThanQueryHeadsAreRefused() {
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> Shard.cut(SMOL, 10));
        assertEquals(
                "tensor-parallel 10: must be between 1 and the model's 9 query heads",
                refusal.getMessage());
    }

    private static List<Integer> queryHeads(int size) {
        return Shard.cut(SMOL, size).stream().map(shard -> shard.queryHeads().size()).toList();
    }

    private static void assertCovers(List<Span> spans, int total) {
        int next = 0;
        for (Span span : spans) {
            assertEquals(next, span.from());
            next = span.to();
        }
        assertEquals(total, next);
    }

    static ModelConfig config(
            int heads, int kvHeads, int headSize, int hidden, int feedForward, int vocabulary) {
        var rope = new RopeConfig(10_000, headSize, new RopeScaling.None());
        return new ModelConfig(
                "llama",
                hidden,
                1,
                feedForward,
                vocabulary,
                512,
                1e-5,
                new AttentionConfig(heads, kvHeads, headSize, false),
                rope,
                rope,
                true,
                List.of(KvGroup.full(List.of(0))),
                new SpecialIds(OptionalInt.empty(), List.of()),
                TensorType.F32);
    }
}
