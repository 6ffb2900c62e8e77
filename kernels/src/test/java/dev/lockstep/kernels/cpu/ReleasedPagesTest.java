// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.WeightRows;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A worker keeps one copy of its weights: the packed one.
final class ReleasedPagesTest {
    private static final int ROWS = 256;
    private static final int COLUMNS = 2048;

    @TempDir Path folder;

    @Test
    void thePagesOfAMappedMatrixAreGivenBackOnceItIsPacked() throws IOException {
        StoredMatrix stored = StoredMatrix.random(TensorType.F32, ROWS, COLUMNS, 1);
        Path file = folder.resolve("weights");
        Files.write(file, stored.data().toArray(ValueLayout.JAVA_BYTE));
        try (Kernels kernels =
                        CpuKernels.open(CpuOptions.ofThreads(2).with(InstructionSet.VECTOR_API));
                Arena arena = Arena.ofShared();
                FileChannel channel = FileChannel.open(file)) {
            MemorySegment mapped =
                    channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            long before = 0;
            for (long at = 0; at < mapped.byteSize(); at += 4096) {
                before += mapped.get(ValueLayout.JAVA_BYTE, at);
            }
            assertTrue(residentBytes(file) >= mapped.byteSize(), "read once: " + before);
            WeightRows whole = stored.whole();
            kernels.prepare(
                    List.of(
                            new WeightRows(
                                    whole.name(),
                                    mapped,
                                    whole.type(),
                                    whole.sourceColumns(),
                                    whole.rows(),
                                    whole.columnFrom(),
                                    whole.columnTo())),
                    DType.F32);
            assertEquals(0, residentBytes(file));
            assertEquals(-1, mapped.mismatch(stored.data()));
        }
    }

    /// Returns the bytes of a mapped file in this process's memory.
    static long residentBytes(Path file) throws IOException {
        String maps = Files.readString(Path.of("/proc/self/smaps"));
        Matcher mapping =
                Pattern.compile(Pattern.quote(file.toRealPath() + "") + "\n(?:.*\n)*?Rss: +(\\d+)")
                        .matcher(maps);
        long bytes = 0;
        while (mapping.find()) {
            bytes += Long.parseLong(mapping.group(1)) << 10;
        }
        return bytes;
    }
}
