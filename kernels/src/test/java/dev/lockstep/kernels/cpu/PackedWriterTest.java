// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.WeightRows;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The writing of packed weights: a disk that is full, a folder that cannot be written, several
/// writers, a worker that stops.
final class PackedWriterTest {
    private static final MatmulOps OPS = new VectorMatmulOps();
    private static final PackedShard SHARD =
            new PackedShard("a model", "0123456789abcdef", "fedcba9876543210", 0, 1, "bf16");

    /// Two matrices, the first of more than one piece.
    static final List<WeightRows> WEIGHTS =
            List.of(
                    StoredMatrix.random(TensorType.Q8_0, 320, 1024, 1).whole(),
                    StoredMatrix.random(TensorType.Q4_K, 33, 512, 2).whole());

    @TempDir Path folder;

    @Test
    void aFullDiskCostsOneLineAndTheNextStartsSpeed() throws IOException, InterruptedException {
        for (int failing = 0; failing < 6; failing++) {
            int last = failing;
            PackedOutput.Opener full =
                    channel -> new FailingOutput(PackedOutput.toFile(channel), last);
            try (var run = new PackedRun(options(), OPS, 1, OPS.layout(), full)) {
                List<byte[]> packed = run.prepare(WEIGHTS, DType.F32);
                run.write();
                assertEquals(1, run.reports().size());
                String report = run.reports().getFirst();
                assertTrue(
                        report.startsWith(
                                "packed weights are not kept in "
                                        + folder
                                        + ", the next start packs again: java.io.IOException: No space left on device; free space there"),
                        report);
                assertFalse(report.contains("\n"));
                assertTrue(packed.get(0).length > 0);
            }
            assertEquals(List.of(), names());
        }
    }

    /// Writes a given number of times; after them the disk is full, also for what is still cached.
    private static final class FailingOutput implements PackedOutput {
        private final PackedOutput out;
        private int left;

        FailingOutput(PackedOutput out, int left) {
            this.out = out;
            this.left = left;
        }

        @Override
        public void write(ByteBuffer bytes, long position) throws IOException {
            require();
            out.write(bytes, position);
        }

        @Override
        public void force() throws IOException {
            require();
            out.force();
        }

        private void require() throws IOException {
            if (left-- == 0) {
                throw new IOException("No space left on device");
            }
        }
    }

    @Test
    void aFolderThatCannotBeWrittenGetsOneLineWithTheRemedy()
            throws IOException, InterruptedException {
        Path file = Files.writeString(folder.resolve("file"), "");
        for (Path unusable : List.of(file, file.resolve("below"), Path.of("/proc/self/packed"))) {
            var options = new PackedOptions(unusable, SHARD, PackedOptions.Access.READ);
            try (var run = new PackedRun(options, OPS, 1)) {
                run.prepare(WEIGHTS, DType.F32);
                run.write();
                List<String> kept =
                        run.reports().stream()
                                .filter(each -> each.startsWith("packed weights are not kept in"))
                                .toList();
                assertEquals(1, kept.size(), run.reports() + "");
                assertTrue(
                        kept.getFirst()
                                .endsWith(
                                        "free space there or make it writable, name another folder by XDG_CACHE_HOME, or set --packed-cache=off"),
                        kept.getFirst());
            }
        }
    }

    /// Three starts write the same file again and again while others read it: each finds no file or
    /// a whole one.
    @Test
    void writersOfOneFileDoNotDisturbEachOther() throws Exception {
        var failures = new ConcurrentLinkedQueue<Throwable>();
        List<byte[]> packed;
        try (var run = new PackedRun(options(), OPS, 1)) {
            packed = run.prepare(WEIGHTS, DType.F32);
        }
        var threads = new ArrayList<Thread>();
        for (int i = 0; i < 3; i++) {
            threads.add(
                    Thread.ofPlatform()
                            .start(
                                    () -> {
                                        try {
                                            for (int round = 0; round < 5; round++) {
                                                startAndWrite(packed);
                                            }
                                        } catch (Throwable failure) {
                                            failures.add(failure);
                                        }
                                    }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertEquals(List.of(), List.copyOf(failures));
        assertEquals(List.of(file().getFileName() + ""), names());
    }

    private void startAndWrite(List<byte[]> packed) throws IOException {
        var label = new PackedLabel(SHARD, OPS.layout());
        try (var run = new PackedRun(options(), OPS, 1);
                var memory = new PackedMemory();
                Arena arena = Arena.ofConfined()) {
            PackedCacheTest.assertSame(packed, run.prepare(WEIGHTS, DType.F32));
            assertEquals(List.of(), run.reports());
            var keys = new SegmentKeys();
            for (int i = 0; i < packed.size(); i++) {
                long bytes = packed.get(i).length;
                long address = arena.allocateFrom(ValueLayout.JAVA_BYTE, packed.get(i)).address();
                WeightRows rows = WEIGHTS.get(i);
                String key = keys.next(rows, WeightFormat.of(rows.type(), DType.F32));
                memory.add(new PackedMemory.Segment(key, address, bytes));
            }
            try (PackedFolder.Hold _ = new PackedFolder(folder).hold(memory).orElseThrow()) {
                assertTrue(new PackedWriter(label, memory, PackedOutput::toFile).write(file()));
            }
        }
    }

    /// A worker that stops does not wait for its disk, and its writer touches no weight any more.
    @Test
    void aStartThatEndsWhileItWritesLeavesNothing() throws Exception {
        var begun = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        PackedOutput.Opener slow =
                channel ->
                        new PackedOutput() {
                            @Override
                            public void write(ByteBuffer bytes, long position) {
                                begun.countDown();
                                try {
                                    goOn.await();
                                } catch (InterruptedException _) {
                                    Thread.currentThread().interrupt();
                                }
                            }

                            @Override
                            public void force() {}
                        };
        var run = new PackedRun(options(), OPS, 1, OPS.layout(), slow);
        run.prepare(WEIGHTS, DType.F32);
        run.cache().writeLater();
        begun.await();
        run.close();
        goOn.countDown();
        run.cache().awaitWritten();
        assertEquals(List.of(), run.reports());
        assertEquals(List.of(), names());
    }

    /// The free space that a writer found is there until it has finished.
    @Test
    void ranksThatStartTogetherWriteOneAfterTheOther() throws Exception {
        var writing = new AtomicInteger();
        var most = new AtomicInteger();
        PackedOutput.Opener counting =
                channel -> {
                    PackedOutput out = PackedOutput.toFile(channel);
                    return new PackedOutput() {
                        @Override
                        public void write(ByteBuffer bytes, long position) throws IOException {
                            most.accumulateAndGet(writing.incrementAndGet(), Math::max);
                            out.write(bytes, position);
                            writing.decrementAndGet();
                        }

                        @Override
                        public void force() throws IOException {
                            out.force();
                        }
                    };
                };
        var runs = new ArrayList<PackedRun>();
        for (int rank = 0; rank < 4; rank++) {
            var shard = new PackedShard("m", SHARD.content(), SHARD.stamp(), rank, 4, "bf16");
            var options = new PackedOptions(folder, shard, PackedOptions.Access.READ);
            var run = new PackedRun(options, OPS, 1, OPS.layout(), counting);
            run.prepare(WEIGHTS, DType.F32);
            runs.add(run);
        }
        runs.forEach(run -> run.cache().writeLater());
        for (PackedRun run : runs) {
            run.cache().awaitWritten();
            assertEquals(List.of(), run.reports());
            run.close();
        }
        assertEquals(1, most.get());
        assertEquals(4, names().size());
    }

    @Test
    void aStartThatEndsWhileAnotherWritesWaitsForNothing() throws Exception {
        var run = new PackedRun(options(), OPS, 1);
        run.prepare(WEIGHTS, DType.F32);
        try (PackedFolder.Hold _ = new PackedFolder(folder).tryHold().orElseThrow()) {
            run.cache().writeLater();
            run.close();
            run.cache().awaitWritten();
        }
        assertEquals(List.of(), run.reports());
        assertEquals(List.of(), names());
    }

    @Test
    void aStartDeletesWhatAKilledWriterLeft() throws IOException {
        Files.writeString(folder.resolve("fresh-1.unfinished"), "");
        try (var _ = new PackedRun(options(), OPS, 1)) {
            assertEquals(List.of(), names());
        }
    }

    private PackedOptions options() {
        return new PackedOptions(folder, SHARD, PackedOptions.Access.READ);
    }

    private Path file() {
        return folder.resolve(new PackedLabel(SHARD, OPS.layout()).fileName());
    }

    private List<String> names() throws IOException {
        return PackedRun.names(folder);
    }
}
