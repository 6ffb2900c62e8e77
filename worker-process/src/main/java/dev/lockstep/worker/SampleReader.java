// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.IntUnaryOperator;

/// The device buffer that the sampler writes to, and its copies to the host.
///
/// Belongs to the step thread. The session that creates it closes it.
final class SampleReader implements AutoCloseable {
    /// Marks a row that requests no log-probabilities: the sampler does not write them, so the
    /// buffer holds those of an earlier row.
    static final int NO_LOGPROBS = -1;

    private static final int WIDTH = SamplingSettings.MAX_TOP_LOGPROBS;

    private final Kernels kernels;
    private final Owned owned = new Owned();
    private final DeviceBuffer device;
    // One for each step in flight. The device needs only one: the copy precedes the next step in
    // the stream.
    private final MemorySegment[] hosts = new MemorySegment[StepsInFlight.DEPTH];
    private int nextHost;

    SampleReader(Kernels kernels, int maxRows) {
        this.kernels = kernels;
        Arena arena = owned.add(Arena.ofShared(), Arena::close);
        try {
            this.device = owned.add(kernels.allocate(Samples.bytes(maxRows)), DeviceBuffer::close);
            for (int i = 0; i < hosts.length; i++) {
                hosts[i] = kernels.allocateHost(Samples.bytes(maxRows), arena);
            }
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        }
    }

    /// Samples on their way to the host, which holds them once a mark made since is reached.
    ///
    /// @param rows that the sampler wrote, padding rows included
    /// @param slots the slot of each row before the padding rows
    /// @param tops the number of most likely ids that each row reports, or [#NO_LOGPROBS]
    record Coming(MemorySegment host, int rows, int[] slots, int[] tops) {}

    /// Returns the first `count` rows for the sampler to write, one after the other, so that they
    /// can be read in one piece.
    Samples rows(int count) {
        return Samples.in(device, 0, count);
    }

    /// Copies what the sampler wrote to [#rows]; only what the rows report.
    ///
    /// @param rows the count given to [#rows]
    /// @param slots the slot of each row; the rows after them are padding
    /// @param top the number of most likely ids that a row of this slot reports, or [#NO_LOGPROBS]
    Coming later(int rows, int[] slots, IntUnaryOperator top) {
        int[] tops = Arrays.stream(slots).map(top).toArray();
        int most = Arrays.stream(tops).max().orElse(NO_LOGPROBS);
        int words = most == NO_LOGPROBS ? 1 : most == 0 ? 2 : 2 + 2 * WIDTH;
        MemorySegment host = hosts[nextHost];
        nextHost = (nextHost + 1) % hosts.length;
        Tensor source = device.tensor(0, DType.I32, 1, words * rows);
        kernels.copyToHostLater(source, host);
        return new Coming(host, rows, slots, tops);
    }

    List<StepOutcome.Sampled> read(Coming rows) {
        long count = rows.rows;
        MemorySegment logprobs = rows.host.asSlice(4 * count);
        MemorySegment topIds = rows.host.asSlice(8 * count);
        MemorySegment topLogprobs = rows.host.asSlice((8 + 4L * WIDTH) * count);
        List<StepOutcome.Sampled> read = new ArrayList<>(rows.slots.length);
        for (int i = 0; i < rows.slots.length; i++) {
            int likely = rows.tops[i];
            read.add(
                    new StepOutcome.Sampled(
                            rows.slots[i],
                            rows.host.getAtIndex(ValueLayout.JAVA_INT, i),
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

    @Override
    public void close() {
        owned.close();
    }
}
