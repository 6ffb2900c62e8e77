// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The cache of latent attention, which holds for each token the rotated part of its key and its
/// latent vector, once.
class LatentCacheTest {

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({"F32, 64", "F16, 32", "BF16, 32", "FP8, 16", "I8, 17"})
    void theBillIsThatOfOneRowForEachTokenAndLayer(DType type, int sixteenths) throws Exception {
        LatentModel.write(folder);
        ModelSource source = ModelSource.open(folder);
        long expected =
                TinyModel.LAYERS * (LatentModel.RANK + LatentModel.ROTATED) * sixteenths / 16;
        for (int ranks = 1; ranks <= 4; ranks++) {
            for (int rank = 0; rank < ranks; rank++) {
                assertEquals(expected, source.kvBytesPerToken(source.shard(rank, ranks), type));
            }
        }
        // All ranks hold the same cache.
        KvCapacity capacity = source.kvCapacity(16, 2 * expected);
        assertEquals(9 * 16, capacity.maxTokens(10 * 16 * 2 * expected));
    }

    @ParameterizedTest
    @CsvSource({
        "f32, 1", "f32, 3", "f16, 1", "f16, 2", "f16, 3", "f16, 4", "bf16, 2", "fp8, 1", "fp8, 3",
        "q8, 1", "q8, 2", "q8, 3", "q8, 4"
    })
    void aSequenceHasTheSameBitsAloneInAMixedBatchAndInChunks(String type, int ranks)
            throws Exception {
        LatentModel.write(folder);
        ModelSource source = ModelSource.open(folder);
        source.requireLoadable(ranks);
        int[] ids = new Random(5).ints(100, 0, (int) TinyModel.VOCABULARY).toArray();
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", type)) {
            List<KvLayout> layouts = group.model().kvLayouts();
            assertEquals(
                    source.kvBytesPerToken(source.shard(0, ranks), layouts.getFirst().type()),
                    layouts.stream().mapToLong(KvLayout::bytesPerToken).sum());
            AnyBatch.requireSameBits(group, List.of(new int[] {3, 1, 4}, ids));
        }
    }

    /// A prompt that shares two blocks of another one, and 5 tokens of its third, which are copied.
    @ParameterizedTest
    @CsvSource({"f32, 2", "f16, 1", "f16, 4", "fp8, 2", "q8, 3"})
    void aPromptAfterAFoundPrefixHasTheSameBits(String type, int ranks) throws Exception {
        LatentModel.write(folder);
        int shared = 37;
        int[] first = new Random(7).ints(60, 0, (int) TinyModel.VOCABULARY).toArray();
        int[] second = first.clone();
        second[shared] = (second[shared] + 1) % (int) TinyModel.VOCABULARY;
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", type)) {
            float[][] alone =
                    group.forward(List.of(new TestGroup.Row(second, 0, TestGroup.blocks(20, 60))));
            group.forward(List.of(new TestGroup.Row(first, 0, TestGroup.blocks(1, 60))));
            group.copyBlocks(List.of(new BlockCopy(3, 10, shared - 32)));
            int[] rest = Arrays.copyOfRange(second, shared, 60);
            var row = new TestGroup.Row(rest, shared, new int[] {1, 2, 10, 11});
            float[][] found = group.forward(List.of(row));
            for (int i = 0; i < rest.length; i++) {
                assertArrayEquals(alone[shared + i], found[i]);
            }
        }
    }

    /// The recorded logits, moved by the rounding of the cache alone.
    @ParameterizedTest
    @CsvSource({"f16, 1, 0.01", "f16, 4, 0.01"})
    void logitsOfAShorterTypeAreNearTheRecordedOnes(String type, int ranks, float tolerance)
            throws Exception {
        Path model = Fixtures.require("models/deepseek-v3");
        try (TestGroup group = TestGroup.load(model, ranks, "f32", type)) {
            AnyBatch.requireRecorded(group, FamilyGoldenTest.goldens(model), tolerance);
        }
    }

    @Test
    void rowsWithoutKvHaveTheSameHiddenStates() throws Exception {
        LatentModel.write(folder);
        int[] ids = new Random(6).ints(40, 0, (int) TinyModel.VOCABULARY).toArray();
        try (TestGroup group = TestGroup.load(folder, 2, "f32", "f16")) {
            assertTrue(group.model().kvLayouts().getFirst().valuesAreKeys());
            var row = List.of(new TestGroup.Row(ids, 0, TestGroup.blocks(1, ids.length)));
            float[][] kept = group.hiddenStatesWithKv(row);
            float[][] none = group.hiddenStates(row);
            for (int t = 0; t < ids.length; t++) {
                assertArrayEquals(kept[t], none[t]);
            }
        }
    }
}
