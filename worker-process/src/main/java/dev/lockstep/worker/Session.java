// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Model;
import dev.lockstep.nccl.Communicator;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The state of one epoch of a group: communicator, activations, slots. Runs steps.
///
/// Belongs to the step thread, except for [#abort]. [StepRunner] closes it when the epoch ends.
final class Session implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(Session.class);

    private final long epoch;
    private final Model model;
    private final Kernels kernels;
    private final Communicator communicator;
    private final List<PagedKv> kv;
    private final HeldBlocks held;
    private final SessionLimits limits;
    private final ActivationBuffers activations;
    private final Sampler sampler;
    private final BatchBuilder batches;
    private final SlotTable slots;
    private final SampleReader samples;
    private final PositionReader positions;
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
                new ActivationBuffers(
                        model, kernels, communicator, limits.maxTokens(), limits.maxSequences());
        this.sampler = kernels.sampler(limits.maxSequences(), model.vocabularySize());
        this.batches = new BatchBuilder(kernels, kv.size(), limits);
        this.slots = new SlotTable(limits.maxSequences());
        this.samples = new SampleReader(kernels, limits.maxSequences());
        this.positions = new PositionReader(model, kernels, activations, sampler, samples, slots);
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

    /// Runs the next step of the epoch. Throws if the step is not the next one.
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

    /// Runs a step without numbering it, for warm-up.
    StepOutcome execute(Step step) {
        long start = System.nanoTime();
        for (int slot : step.releasedSlots()) {
            release(slot);
        }
        List<StepOutcome.Refused> refused = new ArrayList<>();
        for (Step.Admission admission : step.admitted()) {
            Step.Admission checked = checked(admission);
            checked.refusal()
                    .filter(_ -> communicator.rank() == 0)
                    .ifPresent(why -> refused.add(new StepOutcome.Refused(checked.slot(), why)));
            admit(checked);
        }
        copy(step.copies());
        List<StepOutcome.Sampled> sampled = List.of();
        List<StepOutcome.Outputs> outputs = List.of();
        if (!step.rows().isEmpty()) {
            BatchBuilder.Batch batch = batch(step);
            sampled = forward(batch);
            outputs = positions.read(batch);
            nameBlocks(step.rows());
        }
        return new StepOutcome(
                step.epoch(), step.number(), refused, sampled, outputs, System.nanoTime() - start);
    }

    /// Refuses an admission whose settings have ids outside the vocabulary; the same on all ranks.
    private Step.Admission checked(Step.Admission admission) {
        try {
            admission.settings().requireVocabulary(model.vocabularySize());
            return admission;
        } catch (IllegalArgumentException e) {
            return admission.refused(e.getMessage() + "");
        }
    }

    /// Makes every collective of this epoch fail, also one that the step thread is in. Any thread
    /// may call it.
    void abort(String reason) {
        communicator.abort(reason);
    }

    private BatchBuilder.Batch batch(Step step) {
        requireFits(step);
        for (Step.Row row : step.rows()) {
            Slot slot = slots.at(row.slot());
            slot.advance(row, limits);
            if (!slot.withoutKv()) {
                for (int group = 0; group < kv.size(); group++) {
                    held.requireExisting(group, row.newBlocks().get(group));
                }
                removeNames(row, slot);
            }
        }
        return batches.build(step.rows(), slots);
    }

    private List<StepOutcome.Sampled> forward(BatchBuilder.Batch batch) {
        sampler.resolve(batch.forward().ids());
        Tensor logits = model.forward(batch.forward(), kv, activations);
        int[] sampling = batch.samplingSlots();
        if (sampling.length == 0) {
            kernels.synchronize();
            return List.of();
        }
        Samples out = samples.rows(sampling.length);
        boolean samplesHere = communicator.rank() == 0;
        if (samplesHere) {
            sampler.sample(logits, batch.logitSlots(), out);
        }
        communicator.broadcast(out.ids(), 0);
        sampler.record(batch.logitSlots(), out.ids());
        return samplesHere
                ? samples.read(
                        sampling.length,
                        i -> sampling[i],
                        i -> topLogprobs(slots.at(sampling[i]).settings()))
                : List.of();
    }

    private static int topLogprobs(SamplingSettings settings) {
        return settings.logprobs() || settings.topLogprobs() > 0
                ? settings.topLogprobs()
                : SampleReader.NO_LOGPROBS;
    }

    /// Removes the names of the blocks that the row writes.
    private void removeNames(Step.Row row, Slot slot) {
        int size = limits.blockSize();
        int end = row.computed() + row.count();
        for (int group = 0; group < kv.size(); group++) {
            int[] table = slot.blocks(group);
            for (int i = row.computed() / size; i * size < end; i++) {
                held.written(group, table[i]);
            }
        }
    }

    /// Names the full blocks once the step has computed them. A step that fails before names none,
    /// so that no later epoch takes a block with old values for a computed one.
    private void nameBlocks(List<Step.Row> rows) {
        kernels.synchronize();
        for (Step.Row row : rows) {
            Slot slot = slots.at(row.slot());
            for (int group = 0; group < kv.size(); group++) {
                int[] table = slot.blocks(group);
                for (int i = 0; i < row.names().size(); i++) {
                    held.named(group, table[slot.named() + i], row.names().get(i));
                }
            }
            slot.named(slot.named() + row.names().size());
        }
    }

    private void requireFits(Step step) {
        if (step.tokens() > limits.maxTokens()) {
            throw new IllegalArgumentException(
                    "a step of %d tokens, the limit is %d"
                            .formatted(step.tokens(), limits.maxTokens()));
        }
        var seen = new BitSet(limits.maxSequences());
        for (Step.Row row : step.rows()) {
            slots.at(row.slot());
            if (seen.get(row.slot())) {
                throw new IllegalArgumentException(
                        "slot %d has more than one row in a step".formatted(row.slot()));
            }
            seen.set(row.slot());
        }
    }

    private void admit(Step.Admission admission) {
        int slot = admission.slot();
        LOG.debug("request {} gets slot {}", admission.requestId(), slot);
        var admitted = new Slot(admission, kv.size());
        admitted.named(admission.computed() / limits.blockSize());
        slots.put(slot, admitted);
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
            int kvGroup = group;
            List<BlockCopy> blocks =
                    copies.stream()
                            .filter(copy -> copy.kvGroup() == kvGroup)
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
        samples.close();
        communicator.close();
    }
}
