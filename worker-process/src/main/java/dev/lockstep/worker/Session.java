package dev.lockstep.worker;

import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Activations;
import dev.lockstep.model.Model;
import dev.lockstep.nccl.Communicator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// What a worker holds for one epoch of its group: communicator, activations, slots. Runs steps.
///
/// Belongs to the step thread, but for [#abort]. Closed by [StepRunner] when the epoch ends.
final class Session implements AutoCloseable {
    private static final Logger log = LogManager.getLogger(Session.class);

    private final long epoch;
    private final Model model;
    private final Kernels kernels;
    private final Communicator communicator;
    private final List<PagedKv> kv;
    private final HeldBlocks held;
    private final SessionLimits limits;
    private final Activations activations;
    private final Sampler sampler;
    private final BatchBuilder batches;
    private final Slots slots;
    private final DeviceBuffer sampleBuffer;
    private final Samples samples;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment hostSamples;
    private final long bytesAtStart;
    private long lastNumber;

    Session(
            long epoch,
            Model model,
            Kernels kernels,
            Communicator communicator,
            List<PagedKv> kv,
            HeldBlocks held,
            SessionLimits limits) {
        this.epoch = epoch;
        this.model = model;
        this.kernels = kernels;
        this.communicator = communicator;
        this.kv = List.copyOf(kv);
        this.held = held;
        this.limits = limits;
        this.activations =
                new Activations(
                        model, kernels, communicator, limits.maxTokens(), limits.maxSequences());
        this.sampler = kernels.sampler(limits.maxSequences(), model.vocabularySize());
        this.batches =
                new BatchBuilder(
                        kernels,
                        kv.size(),
                        limits.maxTokens(),
                        limits.maxSequences(),
                        Math.ceilDiv(limits.maxPositions(), limits.blockSize()));
        this.slots = new Slots(limits.maxSequences());
        this.sampleBuffer = kernels.allocate(Samples.bytes(limits.maxSequences()));
        this.samples = Samples.in(sampleBuffer, 0, limits.maxSequences());
        this.hostSamples = arena.allocate(Samples.bytes(limits.maxSequences()), 64);
        this.bytesAtStart = kernels.allocatedBytes();
    }

    /// Device bytes that ops have grown for this session's steps, beside what it began with.
    long scratchBytes() {
        return kernels.allocatedBytes() - bytesAtStart;
    }

    long epoch() {
        return epoch;
    }

    Communicator communicator() {
        return communicator;
    }

    int kvGroups() {
        return kv.size();
    }

    SessionLimits limits() {
        return limits;
    }

    long lastNumber() {
        return lastNumber;
    }

    /// Runs the next step of the epoch; refuses any other.
    StepOutcome run(Step step) {
        if (step.epoch() != epoch || step.number() != lastNumber + 1) {
            throw new IllegalStateException(
                    "step (%d, %d) after (%d, %d)"
                            .formatted(step.epoch(), step.number(), epoch, lastNumber));
        }
        StepOutcome outcome = execute(step);
        lastNumber = step.number();
        return outcome;
    }

    /// Runs a step outside the numbering: warm-up.
    StepOutcome execute(Step step) {
        long start = System.nanoTime();
        for (int slot : step.releasedSlots()) {
            release(slot);
        }
        step.admitted().forEach(this::admit);
        copy(step.copies());
        List<StepOutcome.Sampled> sampled = step.rows().isEmpty() ? List.of() : forward(step);
        return new StepOutcome(step.epoch(), step.number(), sampled, System.nanoTime() - start);
    }

    /// Makes every collective of this epoch fail, also one the step thread sits in. Any thread may
    /// call it.
    void abort(String reason) {
        communicator.abort(reason);
    }

    private List<StepOutcome.Sampled> forward(Step step) {
        requireFits(step);
        for (Step.Row row : step.rows()) {
            slots.at(row.slot()).advance(row, limits);
            note(row, slots.at(row.slot()));
        }
        BatchBuilder.Batch batch = batches.build(step.rows(), slots);
        sampler.resolve(batch.forward().ids());
        Tensor logits = model.forward(batch.forward(), kv, activations);
        int count = batch.samplingSlots().length;
        if (count == 0) {
            kernels.synchronize();
            return List.of();
        }
        Samples out = samples.rows(count);
        boolean samples = communicator.rank() == 0;
        if (samples) {
            sampler.sample(logits, batch.logitSlots(), out);
        }
        communicator.broadcast(out.ids(), 0);
        sampler.record(batch.logitSlots(), out.ids());
        return samples ? read(batch.samplingSlots(), out) : List.of();
    }

    /// What the row writes loses its name, what it fills gets one.
    private void note(Step.Row row, Slot slot) {
        int size = limits.blockSize();
        for (int group = 0; group < kv.size(); group++) {
            int[] table = slot.blocks(group);
            for (int i = row.computed() / size; i * size < row.computed() + row.count(); i++) {
                held.written(group, table[i]);
            }
            for (int i = 0; i < row.names().size(); i++) {
                held.named(group, table[slot.named() + i], row.names().get(i));
            }
        }
        slot.named(slot.named() + row.names().size());
    }

    private void requireFits(Step step) {
        if (step.tokens() > limits.maxTokens()) {
            throw new IllegalArgumentException(
                    "a step of %d tokens, at most %d were agreed"
                            .formatted(step.tokens(), limits.maxTokens()));
        }
        BitSet seen = new BitSet(limits.maxSequences());
        for (Step.Row row : step.rows()) {
            slots.at(row.slot());
            if (seen.get(row.slot())) {
                throw new IllegalArgumentException(
                        "slot %d has more than one row in a step".formatted(row.slot()));
            }
            seen.set(row.slot());
        }
    }

    private List<StepOutcome.Sampled> read(int[] sampledSlots, Samples out) {
        int count = sampledSlots.length;
        int width = SamplingSettings.MAX_TOP_LOGPROBS;
        MemorySegment ids = copied(out.ids(), 0);
        MemorySegment logprobs = copied(out.logprobs(), 4L * count);
        MemorySegment topIds = copied(out.topIds(), 8L * count);
        MemorySegment topLogprobs = copied(out.topLogprobs(), (8L + 4L * width) * count);
        List<StepOutcome.Sampled> sampled = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int top = slots.at(sampledSlots[i]).settings().topLogprobs();
            int[] likelyIds = new int[top];
            float[] likelyLogprobs = new float[top];
            for (int k = 0; k < top; k++) {
                likelyIds[k] = topIds.getAtIndex(ValueLayout.JAVA_INT, (long) i * width + k);
                likelyLogprobs[k] =
                        topLogprobs.getAtIndex(ValueLayout.JAVA_FLOAT, (long) i * width + k);
            }
            sampled.add(
                    new StepOutcome.Sampled(
                            sampledSlots[i],
                            ids.getAtIndex(ValueLayout.JAVA_INT, i),
                            logprobs.getAtIndex(ValueLayout.JAVA_FLOAT, i),
                            likelyIds,
                            likelyLogprobs));
        }
        return sampled;
    }

    private MemorySegment copied(Tensor tensor, long offset) {
        MemorySegment target = hostSamples.asSlice(offset, tensor.bytes());
        kernels.copyToHost(tensor, target);
        return target;
    }

    private void admit(Step.Admission admission) {
        int slot = admission.slot();
        log.debug("request {} takes slot {}", admission.requestId(), slot);
        Slot taken = new Slot(admission, kv.size());
        taken.named(admission.computed() / limits.blockSize());
        slots.put(slot, taken);
        sampler.admit(slot, admission.settings(), admission.promptIds(), admission.outputIds());
    }

    private void release(int slot) {
        slots.clear(slot);
        sampler.release(slot);
    }

    private void copy(List<Step.Copy> copies) {
        for (Step.Copy copy : copies) {
            if (copy.kvGroup() < 0 || copy.kvGroup() >= kv.size()) {
                throw new IllegalArgumentException(
                        "a copy in KV group %d of %d".formatted(copy.kvGroup(), kv.size()));
            }
            held.written(copy.kvGroup(), copy.to());
        }
        for (int group = 0; group < kv.size(); group++) {
            int of = group;
            List<BlockCopy> blocks =
                    copies.stream()
                            .filter(copy -> copy.kvGroup() == of)
                            .map(copy -> new BlockCopy(copy.from(), copy.to(), copy.tokens()))
                            .toList();
            if (!blocks.isEmpty()) {
                kernels.copyBlocks(kv.get(group), blocks);
            }
        }
    }

    @Override
    public void close() {
        batches.close();
        sampler.close();
        activations.close();
        sampleBuffer.close();
        arena.close();
        communicator.close();
    }
}
