// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.WeightRows;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Two segments have the same key only if they have the same packed bytes.
final class SegmentKeysTest {
    @TempDir Path folder;

    @Test
    void aKeyCoversWhatAShardTakesFromAMatrix() {
        StoredMatrix stored = StoredMatrix.random(TensorType.F32, 8, 64, 1);
        StoredMatrix others = StoredMatrix.random(TensorType.F32, 8, 64, 2);
        List<WeightRows> different =
                List.of(
                        stored.whole(),
                        stored.shard(new int[] {0, 1}, 0, 64),
                        stored.shard(new int[] {1, 0}, 0, 64),
                        stored.shard(new int[] {0, 1}, 0, 32),
                        stored.shard(new int[] {0, 1}, 32, 64),
                        others.whole());
        var keys = new SegmentKeys();
        Set<String> seen = new HashSet<>();
        different.forEach(each -> seen.add(keys.next(each, WeightFormat.F32)));
        different.forEach(each -> seen.add(new SegmentKeys().next(each, WeightFormat.BF16)));
        assertEquals(2 * different.size(), seen.size());
        assertEquals(
                Set.of(true),
                Set.copyOf(seen.stream().map(k -> k.matches("[0-9a-f]{64}")).toList()));
    }

    @Test
    void equalSegmentsOfOneLoadHaveNumbers() {
        WeightRows rows = StoredMatrix.random(TensorType.F32, 8, 64, 1).whole();
        var keys = new SegmentKeys();
        List<String> first =
                List.of(keys.next(rows, WeightFormat.F32), keys.next(rows, WeightFormat.F32));
        assertEquals(2, Set.copyOf(first).size());
        var again = new SegmentKeys();
        assertEquals(
                first,
                List.of(again.next(rows, WeightFormat.F32), again.next(rows, WeightFormat.F32)));
    }

    @Test
    void expertsOfOneMappedTensorDiffer() throws IOException {
        StoredMatrix experts = StoredMatrix.random(TensorType.F32, 16, 64, 1);
        Path file = folder.resolve("experts");
        Files.write(file, experts.data().toArray(ValueLayout.JAVA_BYTE));
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(file)) {
            MemorySegment all =
                    channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            var keys = new SegmentKeys();
            Set<String> seen = new HashSet<>();
            for (int expert = 0; expert < 4; expert++) {
                MemorySegment data = all.asSlice(expert * 1024L, 1024);
                var rows =
                        new WeightRows(
                                "experts", data, TensorType.F32, 64, new int[] {0, 1, 2, 3}, 0, 64);
                seen.add(keys.next(rows, WeightFormat.F32));
            }
            assertEquals(4, seen.size());
        }
    }
}
