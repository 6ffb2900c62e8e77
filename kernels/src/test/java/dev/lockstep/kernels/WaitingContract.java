// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.AttentionRun.Chunk;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// The contract of the stream: copies that end later, marks, reserved memory, recordings.
public interface WaitingContract extends KernelsContract {

    /// The tensor changes right after each copy: a copy that is late must not see it.
    @Test
    default void aLaterCopyHasTheValuesOfItsPlaceInTheStream() {
        try (TestDevice device = device();
                Arena arena = Arena.ofShared()) {
            Kernels kernels = device.kernels();
            Tensor x = device.zeros(DType.I32, 1, 3);
            List<MemorySegment> hosts = new ArrayList<>();
            List<Mark> marks = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                kernels.copyToDevice(MemorySegment.ofArray(new int[] {i, 10 * i, -i}), x);
                MemorySegment host = kernels.allocateHost(12, arena);
                assertEquals(12, host.byteSize());
                kernels.copyToHostLater(x, host);
                hosts.add(host);
                marks.add(kernels.mark());
            }
            kernels.copyToDevice(MemorySegment.ofArray(new int[3]), x);
            for (int i = 0; i < 4; i++) {
                marks.get(i).await();
                assertTrue(marks.get(i).reached());
                assertArrayEquals(
                        new int[] {i, 10 * i, -i}, hosts.get(i).toArray(ValueLayout.JAVA_INT));
            }
        }
    }

    @Test
    default void aMarkIsReachedWhenALaterOneIs() {
        try (TestDevice device = device()) {
            Tensor x = device.zeros(64, 64);
            List<Mark> marks = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                device.kernels().scale(x, 2);
                marks.add(device.kernels().mark());
            }
            marks.getLast().await();
            marks.forEach(mark -> assertTrue(mark.reached()));
        }
    }

    @Test
    default void anotherThreadMayWaitAndRunOpsOnceItIsAttached() throws Exception {
        try (TestDevice device = device()) {
            Kernels kernels = device.kernels();
            Tensor x = device.activations(1, 2, 3, 4);
            kernels.scale(x, 2);
            Mark mark = kernels.mark();
            CompletableFuture<Boolean> reached = new CompletableFuture<>();
            Thread other =
                    Thread.ofPlatform()
                            .start(
                                    () -> {
                                        try {
                                            kernels.attachThread();
                                            mark.await();
                                            kernels.scale(x, 2);
                                            kernels.synchronize();
                                            reached.complete(mark.reached());
                                        } catch (RuntimeException e) {
                                            reached.completeExceptionally(e);
                                        }
                                    });
            assertTrue(reached.get(60, TimeUnit.SECONDS));
            other.join();
            assertArrayEquals(new float[] {12, 16}, device.floats(x));
        }
    }

    @Test
    default void aHostSegmentThatIsTooShortForALaterCopyIsRefused() {
        try (TestDevice device = device();
                Arena arena = Arena.ofConfined()) {
            Tensor x = device.zeros(DType.I32, 1, 3);
            MemorySegment host = device.kernels().allocateHost(11, arena);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> device.kernels().copyToHostLater(x, host));
        }
    }

    /// Rows of several kilobytes are the ones that the CPU copies to other addresses.
    @Test
    default void noOpAllocatesAfterMemoryIsReserved() {
        int tokens = 40;
        int[] columns = {96, 1024};
        DType compute = computeTypes().getFirst();
        try (TestDevice device = device()) {
            Kernels kernels = device.kernels();
            List<PackedWeight> weights = new ArrayList<>();
            for (int width : columns) {
                for (TensorType type : List.of(TensorType.F32, TensorType.Q8_0)) {
                    StoredMatrix stored = StoredMatrix.random(type, 33, width, 5);
                    weights.add(kernels.prepare(List.of(stored.whole()), compute));
                }
            }
            var shape = new AttentionShape(new int[] {0, 0, 1}, 2, 32, 0.2f);
            var run = new AttentionRun(device, shape, DType.F32, 1, 3);
            Tensor out = device.zeros(DType.F32, tokens, 33);
            List<Tensor> inputs = new ArrayList<>();
            for (int width : columns) {
                inputs.add(device.zeros(tokens, width));
            }
            long before = kernels.allocatedBytes();
            kernels.reserve(tokens, 4, 1200);
            long reserved = kernels.allocatedBytes();
            assertTrue(reserved >= before);
            kernels.reserve(tokens, 4, 1200);
            assertEquals(reserved, kernels.allocatedBytes());
            for (int rows : new int[] {1, 3, 17, tokens}) {
                for (PackedWeight weight : weights) {
                    Tensor x = inputs.get(weight.columns() == columns[0] ? 0 : 1);
                    kernels.matmul(x.rows(0, rows), weight, out.rows(0, rows));
                }
            }
            kernels.synchronize();
            assertEquals(reserved, kernels.allocatedBytes());
            for (int computed = 0; computed < 1100; computed += tokens) {
                Chunk chunk = new Chunk(0, computed, tokens);
                long first = growth(kernels, () -> run.step(chunk));
                // The test's own tensors alone.
                long again = growth(kernels, () -> run.step(chunk));
                assertEquals(again, first, "at " + computed);
            }
        }
    }

    @Test
    default void expertsDoNotAllocateAfterMemoryIsReserved() {
        ExpertRun run = ExpertRun.of(TensorType.F32, TensorType.Q8_0, computeTypes().getFirst());
        int tokens = 40;
        float[] x = new float[tokens * ExpertRun.HIDDEN];
        float[] logits = new float[tokens * ExpertRun.EXPERTS];
        try (TestDevice device = device()) {
            Kernels kernels = device.kernels();
            ExpertSet set = kernels.prepareExperts(run.layer(kernels));
            Tensor out = device.zeros(tokens, ExpertRun.HIDDEN);
            kernels.reserve(tokens, 4, 64);
            long first = growth(kernels, () -> ExpertRun.run(device, set, x, logits, out));
            long again = growth(kernels, () -> ExpertRun.run(device, set, x, logits, out));
            assertEquals(again, first);
        }
    }

    private static long growth(Kernels kernels, Runnable ops) {
        long before = kernels.allocatedBytes();
        ops.run();
        kernels.synchronize();
        return kernels.allocatedBytes() - before;
    }

    @Test
    default void freeMemoryIsKnown() {
        try (TestDevice device = device()) {
            assertTrue(device.kernels().freeBytes() > 0);
        }
    }

    /// Where a device cannot record, nothing runs.
    @Test
    default void aRecordingRunsItsOpsAtEachLaunch() {
        try (TestDevice device = device()) {
            Kernels kernels = device.kernels();
            Tensor x = device.activations(1, 2, 1, 3);
            Optional<Recording> recording =
                    kernels.record(
                            () -> {
                                kernels.scale(x, 2);
                                kernels.add(x, x);
                            });
            assertArrayEquals(new float[] {1, 3}, device.floats(x), "recording runs nothing");
            if (recording.isEmpty()) {
                return;
            }
            try (Recording ops = recording.get()) {
                ops.launch();
                assertArrayEquals(new float[] {4, 12}, device.floats(x));
                device.write(x, 2, 1);
                ops.launch();
                ops.launch();
                assertArrayEquals(new float[] {32, 16}, device.floats(x));
            }
        }
    }

    @Test
    default void waitsAndAllocationsInARecordingAreRefused() {
        try (TestDevice device = device();
                Arena arena = Arena.ofConfined()) {
            Kernels kernels = device.kernels();
            Tensor x = device.activations(1, 2, 1, 3);
            MemorySegment host = kernels.allocateHost(x.bytes(), arena);
            Mark mark = kernels.mark();
            List<Runnable> forbidden =
                    List.of(
                            kernels::synchronize,
                            mark::await,
                            () -> kernels.copyToHost(x, host),
                            () -> kernels.allocate(64).close(),
                            () -> kernels.reserve(1 << 14, 4, 64),
                            () -> kernels.record(() -> kernels.scale(x, 2)));
            for (Runnable op : forbidden) {
                boolean[] called = {false};
                Optional<Recording> recording =
                        kernels.record(
                                () -> {
                                    called[0] = true;
                                    assertThrows(IllegalStateException.class, op::run);
                                    kernels.scale(x, 1);
                                });
                assertEquals(recording.isPresent(), called[0]);
                recording.ifPresent(Recording::close);
            }
            assertArrayEquals(new float[] {1, 3}, device.floats(x));
        }
    }
}
