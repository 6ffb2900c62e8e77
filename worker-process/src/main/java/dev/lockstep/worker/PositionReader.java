// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Model;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Reads the outputs of a step other than the next tokens: log-probabilities of prompt tokens,
/// hidden states, pooled vectors.
///
/// Logits are computed for the requested positions alone, in parts as large as a step's sampled
/// rows, so that the logits of a whole prompt need no memory. Belongs to the step thread.
final class PositionReader {
    /// The upper bound of values in one message; hidden states beyond it are sent in several.
    private static final int MAX_VALUES = 1 << 18;

    private static final float[] NO_VALUES = {};

    private final Model model;
    private final Kernels kernels;
    private final ActivationBuffers activations;
    private final Sampler sampler;
    private final SampleReader samples;
    private final SlotTable slots;

    PositionReader(
            Model model,
            Kernels kernels,
            ActivationBuffers activations,
            Sampler sampler,
            SampleReader samples,
            SlotTable slots) {
        this.model = model;
        this.kernels = kernels;
        this.activations = activations;
        this.sampler = sampler;
        this.samples = samples;
        this.slots = slots;
    }

    /// Returns whether any row of a step that is being launched requests outputs.
    boolean reads(BatchBuilder.Batch batch) {
        return batch.scored().slots().length > 0
                || batch.rows().stream()
                        .anyMatch(
                                each -> slots.at(each.row().slot()).outputs().readsHiddenStates());
    }

    /// Returns the outputs of a step that has run, before another one is launched; empty on ranks
    /// that do not sample. All ranks call it, because logits are gathered.
    List<StepOutcome.Outputs> read(BatchBuilder.Batch batch) {
        List<StepOutcome.Sampled> scored = score(batch);
        if (activations.communicator().rank() != 0) {
            return List.of();
        }
        List<StepOutcome.Outputs> outputs = new ArrayList<>();
        int read = 0;
        for (BatchBuilder.Placed placed : batch.rows()) {
            Slot slot = slots.at(placed.row().slot());
            int count = placed.scored();
            if (count > 0) {
                List<StepOutcome.Sampled> next = scored.subList(read, read + count);
                read += count;
                outputs.add(
                        new StepOutcome.Outputs(
                                placed.row().slot(),
                                placed.firstWanted(),
                                next,
                                0,
                                NO_VALUES,
                                NO_VALUES));
            }
            if (slot.outputs().readsHiddenStates()) {
                readHiddenStates(batch, placed, slot, outputs);
            }
        }
        return outputs;
    }

    private List<StepOutcome.Sampled> score(BatchBuilder.Batch batch) {
        int count = batch.scored().rows().columns();
        int[] owners = batch.scored().slots();
        int maxTop = Arrays.stream(owners).map(this::top).max().orElse(0);
        List<StepOutcome.Sampled> scored = new ArrayList<>(count);
        for (int from = 0; from < count; from += activations.maxLogitRows()) {
            int to = Math.min(count, from + activations.maxLogitRows());
            Tensor logits =
                    model.logits(
                            batch.forward().tokens(),
                            batch.scored().rows().columns(from, to),
                            activations);
            if (activations.communicator().rank() == 0) {
                Tensor targets = batch.scored().targets().columns(from, to);
                sampler.score(logits, targets, maxTop, samples.rows(to - from));
                SampleReader.Coming coming =
                        samples.later(to - from, Arrays.copyOfRange(owners, from, to), this::top);
                kernels.synchronize();
                scored.addAll(samples.read(coming));
            }
        }
        return scored;
    }

    private int top(int slot) {
        return slots.at(slot).outputs().topLogprobs();
    }

    private void readHiddenStates(
            BatchBuilder.Batch batch,
            BatchBuilder.Placed placed,
            Slot slot,
            List<StepOutcome.Outputs> outputs) {
        OutputSettings wanted = slot.outputs();
        Tensor all = model.hiddenStates(batch.forward().tokens(), activations);
        int size = all.columns();
        int end = placed.row().computed() + placed.row().count();
        int atOnce = Math.max(1, MAX_VALUES / size);
        for (int from = placed.firstWanted(); from < end; from += atOnce) {
            int to = Math.min(end, from + atOnce);
            int start = placed.start() + from - placed.row().computed();
            float[] values = floats(all.rows(start, start + to - from));
            for (int p = from; p < to; p++) {
                slot.pool().add(values, (p - from) * size, size, p);
            }
            float[] pooled = slot.pool().vector(from, to);
            if (wanted.hiddenStates() || pooled.length > 0) {
                outputs.add(
                        new StepOutcome.Outputs(
                                placed.row().slot(),
                                from,
                                List.of(),
                                size,
                                wanted.hiddenStates() ? values : NO_VALUES,
                                pooled));
            }
        }
    }

    private float[] floats(Tensor rows) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(rows.bytes(), 64);
            kernels.copyToHost(rows, host);
            return switch (rows.type()) {
                case F32 -> host.toArray(ValueLayout.JAVA_FLOAT);
                case BF16 -> widen(host.toArray(ValueLayout.JAVA_SHORT), rows.type());
                case F16 -> widen(host.toArray(ValueLayout.JAVA_SHORT), rows.type());
                case I32, I8, FP8 ->
                        throw new IllegalStateException("hidden states of type " + rows.type());
            };
        }
    }

    private static float[] widen(short[] halves, DType type) {
        float[] values = new float[halves.length];
        for (int i = 0; i < halves.length; i++) {
            values[i] =
                    type == DType.BF16
                            ? Float.intBitsToFloat(halves[i] << 16)
                            : Float.float16ToFloat(halves[i]);
        }
        return values;
    }
}
