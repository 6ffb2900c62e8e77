// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.WeightRows;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// The contract of packed weights between starts: a second start packs nothing and has the same
/// bits, and whatever happens to the file costs only the time of packing.
final class PackedCacheTest {
    private static final PackedShard SHARD =
            new PackedShard("a model", "0123456789abcdef", "fedcba9876543210", 0, 1, "bf16");
    private static final MatmulOps OPS = new VectorMatmulOps();

    private static final List<WeightRows> WEIGHTS = PackedWriterTest.WEIGHTS;

    @TempDir Path folder;

    @ParameterizedTest
    @MethodSource("dev.lockstep.kernels.cpu.InstructionSet#available")
    void everyFormatAndShardHasTheSameBitsFromTheFile(InstructionSet set)
            throws IOException, InterruptedException {
        MatmulOps ops = CpuOps.of(set).matmul();
        try (Arena arena = Arena.ofShared()) {
            for (DType compute : List.of(DType.F32, DType.BF16)) {
                List<WeightRows> weights = everyFormatAndShard(arena);
                PackedOptions options = options(compute.name().toLowerCase(Locale.ROOT));
                List<byte[]> packed = start(options, ops, weights, compute);
                for (PackedOptions.Access access : PackedOptions.Access.values()) {
                    for (int threads = 1; threads <= 3; threads++) {
                        var again = new PackedOptions(folder, options.shard(), access);
                        try (var run = new PackedRun(again, ops, threads)) {
                            assertSame(packed, run.prepare(weights, compute));
                            assertEquals(0, run.packs());
                            assertEquals(List.of(), run.reports());
                        }
                    }
                }
            }
        }
    }

    /// A tensor of a mapped file, one that was computed, and shards of both that begin within a
    /// block.
    private List<WeightRows> everyFormatAndShard(Arena arena) throws IOException {
        var weights = new ArrayList<WeightRows>();
        for (TensorType type : TensorType.values()) {
            StoredMatrix stored = StoredMatrix.random(type, 53, 512, 9);
            int[] someRows = {40, 3, 4, 52, 7};
            int[] half = IntStream.range(20, 50).toArray();
            weights.add(stored.whole());
            weights.add(stored.shard(someRows, 0, 512));
            weights.add(mapped(stored.shard(half, 96, 320), arena));
        }
        return weights;
    }

    private WeightRows mapped(WeightRows rows, Arena arena) throws IOException {
        Path file = folder.resolve("stored." + rows.type());
        Files.write(file, rows.data().toArray(ValueLayout.JAVA_BYTE));
        try (FileChannel channel = FileChannel.open(file)) {
            MemorySegment data =
                    channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            return new WeightRows(
                    rows.name(),
                    data,
                    rows.type(),
                    rows.sourceColumns(),
                    rows.rows(),
                    rows.columnFrom(),
                    rows.columnTo());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aFileDamagedAnywhereIsMadeAnew(PackedOptions.Access access)
            throws IOException, InterruptedException {
        List<byte[]> packed = start(options("bf16"), OPS, WEIGHTS, DType.F32);
        Path file = file();
        byte[] whole = Files.readAllBytes(file);
        long first = PackedFile.PREAMBLE_BYTES;
        long second = CpuMemory.roundUp(first + packed.get(0).length, PackedFile.ALIGNMENT);
        long index = CpuMemory.roundUp(second + packed.get(1).length, PackedFile.ALIGNMENT);
        for (long at :
                new long[] {
                    0,
                    8,
                    12,
                    17,
                    25,
                    33,
                    37,
                    41,
                    60,
                    first - 1,
                    first,
                    first + PackedFile.PIECE_BYTES,
                    first + packed.get(0).length - 1,
                    second,
                    second + packed.get(1).length - 1,
                    index,
                    index + PackedFile.KEY_BYTES,
                    whole.length - 1
                }) {
            byte[] damaged = whole.clone();
            damaged[(int) at] ^= 1;
            assertMadeAnew(damaged, access, packed, "byte " + at);
        }
        byte[] zeroed = whole.clone();
        Arrays.fill(zeroed, (int) first, (int) index, (byte) 0);
        assertMadeAnew(zeroed, access, packed, "blocks that never reached the disk");
        for (int length : new int[] {0, 1, 4095, 4096, (int) second, whole.length - 1}) {
            byte[] truncated = Arrays.copyOf(whole, length);
            assertMadeAnew(truncated, access, packed, length + " bytes");
        }
        assertMadeAnew(Arrays.copyOf(whole, whole.length + 1), access, packed, "a byte more");
        assertMadeAnew("a text\n".repeat(9999).getBytes(UTF_8), access, packed, "a foreign file");
    }

    private void assertMadeAnew(
            byte[] content, PackedOptions.Access access, List<byte[]> packed, String what)
            throws IOException, InterruptedException {
        Path file = file();
        Files.write(file, content);
        var options = new PackedOptions(folder, SHARD, access);
        try (var run = new PackedRun(options, OPS, 2)) {
            assertSame(packed, run.prepare(WEIGHTS, DType.F32));
            assertTrue(run.packs() > 0, what);
            assertEquals(1, run.reports().size(), what + ": " + run.reports());
            String report = run.reports().getFirst();
            assertTrue(report.startsWith(file + " is made anew: it"), what + ": " + report);
            run.write();
        }
        try (var run = new PackedRun(options, OPS, 2)) {
            assertSame(packed, run.prepare(WEIGHTS, DType.F32));
            assertEquals(0, run.packs(), what);
        }
    }

    @Test
    void aFileOfAnOlderLayoutIsReplaced() throws IOException, InterruptedException {
        List<byte[]> packed = start(options("bf16"), OPS, WEIGHTS, DType.F32);
        var newer = new PackedLayout(OPS.layout().kernels(), OPS.layout().version() + 1);
        try (var run = new PackedRun(options("bf16"), OPS, 1, newer, PackedOutput::toFile)) {
            assertSame(packed, run.prepare(WEIGHTS, DType.F32));
            assertEquals(2, run.packs());
            assertEquals(List.of(), run.reports());
            run.write();
        }
        assertEquals(new PackedLabel(SHARD, newer), PackedFile.label(file()));
        assertEquals(1, names().size());
    }

    /// Two starts, of one copy and of the other, pack nothing the second time.
    @Test
    void aModelThatWasStoredAgainAndItsCopyKeepTheirFiles()
            throws IOException, InterruptedException {
        String stamp = "00000000fedcba98";
        var copy = new PackedShard(SHARD.model(), SHARD.content(), stamp, 0, 1, SHARD.compute());
        for (int round = 0; round < 2; round++) {
            for (PackedShard shard : List.of(SHARD, copy)) {
                var options = new PackedOptions(folder, shard, PackedOptions.Access.READ);
                try (var run = new PackedRun(options, OPS, 1)) {
                    run.prepare(WEIGHTS, DType.F32);
                    assertEquals(round == 0 ? 2 : 0, run.packs());
                    run.write();
                }
            }
        }
        assertEquals(
                List.of(
                        "0123456789abcdef-00000000-0of1-bf16-vector_api.packed",
                        "0123456789abcdef-fedcba98-0of1-bf16-vector_api.packed"),
                names());
    }

    @Test
    void otherRanksAndComputeTypesHaveTheirOwnFiles() throws IOException, InterruptedException {
        start(options("bf16"), OPS, WEIGHTS, DType.F32);
        start(options("f32"), OPS, WEIGHTS, DType.F32);
        for (int rank = 0; rank < 2; rank++) {
            var shard = new PackedShard("m", SHARD.content(), SHARD.stamp(), rank, 2, "bf16");
            start(
                    new PackedOptions(folder, shard, PackedOptions.Access.MAP),
                    OPS,
                    WEIGHTS,
                    DType.F32);
        }
        assertEquals(
                List.of(
                        "0123456789abcdef-fedcba98-0of1-bf16-vector_api.packed",
                        "0123456789abcdef-fedcba98-0of1-f32-vector_api.packed",
                        "0123456789abcdef-fedcba98-0of2-bf16-vector_api.packed",
                        "0123456789abcdef-fedcba98-1of2-bf16-vector_api.packed"),
                names());
    }

    /// A family that loads more matrices than before finds the file short of them.
    @Test
    void whatAFileLacksIsPackedAndAddedToIt() throws IOException, InterruptedException {
        start(options("bf16"), OPS, WEIGHTS.subList(0, 1), DType.F32);
        try (var run = new PackedRun(options("bf16"), OPS, 1)) {
            run.prepare(WEIGHTS, DType.F32);
            assertEquals(1, run.packs());
            run.write();
        }
        try (var run = new PackedRun(options("bf16"), OPS, 1)) {
            run.prepare(WEIGHTS, DType.F32);
            assertEquals(0, run.packs());
        }
    }

    @Test
    void mappedWeightsCountAsMemoryOfThisProcess() throws IOException, InterruptedException {
        List<byte[]> packed = start(options("bf16"), OPS, WEIGHTS, DType.F32);
        long bytes = packed.stream().mapToLong(each -> each.length).sum();
        var options = new PackedOptions(folder, SHARD, PackedOptions.Access.MAP);
        try (var run = new PackedRun(options, OPS, 1)) {
            run.prepare(WEIGHTS, DType.F32);
            assertEquals(bytes, run.cache().mappedBytes());
            assertEquals(0, run.memory().allocatedBytes());
        }
        try (var run = new PackedRun(options("bf16"), OPS, 1)) {
            run.prepare(WEIGHTS, DType.F32);
            assertEquals(0, run.cache().mappedBytes());
            assertTrue(run.memory().allocatedBytes() >= bytes);
        }
    }

    @Test
    void aSegmentIsReadOnceInWhateverOrderTheModelAsks() throws IOException, InterruptedException {
        List<byte[]> packed = start(options("bf16"), OPS, WEIGHTS, DType.F32);
        try (var run = new PackedRun(options("bf16"), OPS, 2)) {
            assertSame(packed.subList(1, 2), run.prepare(WEIGHTS.subList(1, 2), DType.F32));
            long before = run.memory().reserve(CpuMemory.ALIGNMENT);
            assertSame(packed.subList(0, 1), run.prepare(WEIGHTS.subList(0, 1), DType.F32));
            long first = CpuMemory.roundUp(packed.getFirst().length, CpuMemory.ALIGNMENT);
            assertEquals(
                    before + CpuMemory.ALIGNMENT + first,
                    run.memory().reserve(CpuMemory.ALIGNMENT));
            assertEquals(0, run.packs());
        }
    }

    /// A file that was removed takes no space any more once its readers have read it.
    @Test
    void aFileThatIsReadIsOpenOnlyUntilTheRankServes() throws IOException, InterruptedException {
        List<byte[]> packed = start(options("bf16"), OPS, WEIGHTS, DType.F32);
        try (var run = new PackedRun(options("bf16"), OPS, 2)) {
            run.prepare(WEIGHTS.subList(0, 1), DType.F32);
            assertTrue(isOpen(file()));
            run.cache().writeLater();
            assertFalse(isOpen(file()));
            // Nothing more is expected: what comes is packed, and the file stays.
            assertSame(packed.subList(1, 2), run.prepare(WEIGHTS.subList(1, 2), DType.F32));
            assertEquals(1, run.packs());
            assertEquals(List.of(), run.reports());
            assertTrue(Files.exists(file()));
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatTheDiskCannotGiveAnyMoreIsPacked(PackedOptions.Access access)
            throws IOException, InterruptedException {
        List<byte[]> packed = start(options("bf16"), OPS, WEIGHTS, DType.F32);
        try (var run = new PackedRun(new PackedOptions(folder, SHARD, access), OPS, 2)) {
            try (FileChannel channel = FileChannel.open(file(), StandardOpenOption.WRITE)) {
                channel.truncate(PackedFile.PREAMBLE_BYTES);
            }
            assertSame(packed, run.prepare(WEIGHTS, DType.F32));
            assertEquals(List.of(file() + " is made anew: it is truncated"), run.reports());
            assertFalse(Files.exists(file()));
        }
    }

    @Test
    void mappedWeightsAreReadableAfterTheEndOfWriting() throws IOException, InterruptedException {
        List<byte[]> packed = start(options("bf16"), OPS, WEIGHTS, DType.F32);
        var options = new PackedOptions(folder, SHARD, PackedOptions.Access.MAP);
        try (var run = new PackedRun(options, OPS, 2)) {
            run.cache().stopWriting();
            assertSame(packed, run.prepare(WEIGHTS, DType.F32));
            assertEquals(0, run.packs());
            assertTrue(isOpen(file()));
        }
        assertFalse(isOpen(file()));
    }

    private static boolean isOpen(Path file) throws IOException {
        Path real = file.toRealPath();
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors.anyMatch(
                    each -> {
                        try {
                            return Files.readSymbolicLink(each).equals(real);
                        } catch (IOException _) {
                            // The descriptor of the list itself.
                            return false;
                        }
                    });
        }
    }

    private PackedOptions options(String compute) {
        var shard = new PackedShard("a model", SHARD.content(), SHARD.stamp(), 0, 1, compute);
        return new PackedOptions(folder, shard, PackedOptions.Access.READ);
    }

    private static List<byte[]> start(
            PackedOptions options, MatmulOps ops, List<WeightRows> weights, DType compute)
            throws InterruptedException {
        try (var run = new PackedRun(options, ops, 2)) {
            List<byte[]> packed = run.prepare(weights, compute);
            run.write();
            assertEquals(List.of(), run.reports());
            return packed;
        }
    }

    private Path file() {
        return folder.resolve("0123456789abcdef-fedcba98-0of1-bf16-vector_api.packed");
    }

    private List<String> names() throws IOException {
        return PackedRun.names(folder);
    }

    static void assertSame(List<byte[]> expected, List<byte[]> actual) {
        assertEquals(expected.size(), actual.size());
        for (int i = 0; i < expected.size(); i++) {
            assertArrayEquals(expected.get(i), actual.get(i));
        }
    }
}
