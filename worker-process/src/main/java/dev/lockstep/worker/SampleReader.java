// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntUnaryOperator;

/// The device buffer that the sampler writes to, and its copy to the host.
///
/// Belongs to the step thread. The session that creates it closes it.
final class SampleReader implements AutoCloseable {
    /// Marks a row that requests no log-probabilities: the sampler does not write them, so the
    /// buffer holds those of an earlier row.
    static final int NO_LOGPROBS = -1;

    private static final int WIDTH = SamplingSettings.MAX_TOP_LOGPROBS;

    private final Kernels kernels;
    private final DeviceBuffer device;
    private final Samples samples;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment host;

    SampleReader(Kernels kernels, int maxRows) {
        this.kernels = kernels;
        this.device = kernels.allocate(Samples.bytes(maxRows));
        this.samples = Samples.in(device, 0, maxRows);
        this.host = arena.allocate(Samples.bytes(maxRows), 64);
    }

    /// Returns the first `count` rows for the sampler to write.
    Samples rows(int count) {
        return samples.rows(count);
    }

    /// Reads the first `count` rows.
    ///
    /// @param slot the slot of each row
    /// @param top the number of most likely ids that a row reports, or [#NO_LOGPROBS]
    List<StepOutcome.Sampled> read(int count, IntUnaryOperator slot, IntUnaryOperator top) {
        Samples rows = samples.rows(count);
        MemorySegment ids = copied(rows.ids(), 0);
        MemorySegment logprobs = copied(rows.logprobs(), 4L * count);
        MemorySegment topIds = copied(rows.topIds(), 8L * count);
        MemorySegment topLogprobs = copied(rows.topLogprobs(), (8L + 4L * WIDTH) * count);
        List<StepOutcome.Sampled> read = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int likely = top.applyAsInt(i);
            read.add(
                    new StepOutcome.Sampled(
                            slot.applyAsInt(i),
                            ids.getAtIndex(ValueLayout.JAVA_INT, i),
                            likely == NO_LOGPROBS
                                    ? Optional.empty()
                                    : Optional.of(
                                            logprobs(i, likely, logprobs, topIds, topLogprobs))));
        }
        return read;
    }

    private static StepOutcome.Logprobs logprobs(
            int row,
            int count,
            MemorySegment chosen,
            MemorySegment topIds,
            MemorySegment topLogprobs) {
        int[] ids = new int[count];
        float[] logprobs = new float[count];
        for (int k = 0; k < count; k++) {
            ids[k] = topIds.getAtIndex(ValueLayout.JAVA_INT, (long) row * WIDTH + k);
            logprobs[k] = topLogprobs.getAtIndex(ValueLayout.JAVA_FLOAT, (long) row * WIDTH + k);
        }
        return new StepOutcome.Logprobs(
                chosen.getAtIndex(ValueLayout.JAVA_FLOAT, row), ids, logprobs);
    }

    private MemorySegment copied(Tensor tensor, long offset) {
        MemorySegment target = host.asSlice(offset, tensor.bytes());
        kernels.copyToHost(tensor, target);
        return target;
    }

    @Override
    public void close() {
        device.close();
        arena.close();
    }
}
