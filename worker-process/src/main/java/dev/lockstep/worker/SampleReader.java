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
import java.util.function.IntUnaryOperator;

/// Where the sampler writes, and the way from there to the host.
///
/// Belongs to the step thread. Closed by the session that made it.
final class SampleReader implements AutoCloseable {
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

    /// The first rows, for the sampler to fill.
    Samples rows(int count) {
        return samples.rows(count);
    }

    /// What the first rows hold now.
    ///
    /// @param slot of each row
    /// @param top how many most likely ids a row was asked for
    List<StepOutcome.Sampled> read(int count, IntUnaryOperator slot, IntUnaryOperator top) {
        Samples rows = samples.rows(count);
        int width = SamplingSettings.MAX_TOP_LOGPROBS;
        MemorySegment ids = copied(rows.ids(), 0);
        MemorySegment logprobs = copied(rows.logprobs(), 4L * count);
        MemorySegment topIds = copied(rows.topIds(), 8L * count);
        MemorySegment topLogprobs = copied(rows.topLogprobs(), (8L + 4L * width) * count);
        List<StepOutcome.Sampled> read = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int[] likelyIds = new int[top.applyAsInt(i)];
            float[] likelyLogprobs = new float[likelyIds.length];
            for (int k = 0; k < likelyIds.length; k++) {
                long at = (long) i * width + k;
                likelyIds[k] = topIds.getAtIndex(ValueLayout.JAVA_INT, at);
                likelyLogprobs[k] = topLogprobs.getAtIndex(ValueLayout.JAVA_FLOAT, at);
            }
            read.add(
                    new StepOutcome.Sampled(
                            slot.applyAsInt(i),
                            ids.getAtIndex(ValueLayout.JAVA_INT, i),
                            logprobs.getAtIndex(ValueLayout.JAVA_FLOAT, i),
                            likelyIds,
                            likelyLogprobs));
        }
        return read;
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
