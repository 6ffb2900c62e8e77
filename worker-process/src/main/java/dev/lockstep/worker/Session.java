// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.checkpoint.EncoderConfig;
import dev.lockstep.cluster.StepOrder;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Mark;
import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Model;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.CommunicatorAbortedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The state of one epoch of a group: communicator, activations, slots. Launches and completes
/// steps.
///
/// Belongs to the step thread, except for [#abort]. [StepRunner] closes it when the epoch ends.
final class Session implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(Session.class);
    private static final long POLL_NANOS = 200_000;
    private static final int RUNS_BEFORE_RECORDING = 2;
    private static final int CANARY_TOKENS = 8;
    private static final int[] NO_SLOTS = {};
    private static final String WITHOUT_LOGITS =
            "the model has no output head and computes no logits";

    private final long epoch;
    private final Model model;
    private final Kernels kernels;
    private final Communicator communicator;
    private final List<PagedKv> kv;
    private final StepBlocks blocks;
    private final SessionLimits limits;
    private final ActivationBuffers activations;
    private final StateLines states;
    private final Sampler sampler;
    private final BatchBuilder batches;
    private final SlotTable slots;
    private final UnservedSlots unserved = new UnservedSlots();
    private final ConstrainedSlots constrained;
    private final SampleReader samples;
    private final PositionReader positions;
    private final ResidualChecks checks;
    private final ResidualReader residuals;
    private final DecodeGraphs graphs;
    private final Owned owned = new Owned();
    private final AtomicBoolean aborted = new AtomicBoolean();
    private final StepOrder order;
    private long lastEndNanos = System.nanoTime();
    private long waitedNanos;

    Session(
            long epoch,
            Model model,
            Kernels kernels,
            Communicator communicator,
            List<PagedKv> kv,
            HeldBlocks held,
            SessionLimits limits) {
        this(epoch, model, kernels, communicator, kv, held, limits, ResidualChecks.NONE);
    }

    Session(
            long epoch,
            Model model,
            Kernels kernels,
            Communicator communicator,
            List<PagedKv> kv,
            HeldBlocks held,
            SessionLimits limits,
            ResidualChecks given) {
        this.epoch = epoch;
        this.order = new StepOrder(epoch);
        this.model = model;
        this.kernels = kernels;
        this.communicator = communicator;
        this.kv = List.copyOf(kv);
        this.blocks = new StepBlocks(kernels, kv, held, limits.blockSize());
        this.limits = limits;
        this.slots = new SlotTable(limits.maxSequences());
        // The residual of a single rank has nothing to be compared with, but for canary steps.
        this.checks = communicator.size() > 1 ? given : new ResidualChecks(0, given.flips());
        try {
            var buffers =
                    new ActivationBuffers(
                            model,
                            kernels,
                            communicator,
                            limits.maxTokens(),
                            limits.maxSequences(),
                            limits.maxSequences());
            this.activations = owned.add(buffers, ActivationBuffers::close);
            this.states = new StateLines(kernels, buffers.states(), kv.size());
            this.sampler =
                    owned.add(
                            kernels.sampler(limits.maxSequences(), model.vocabularySize()),
                            Sampler::close);
            this.constrained = new ConstrainedSlots(slots, sampler);
            this.batches =
                    owned.add(new BatchBuilder(kernels, kv.size(), limits), BatchBuilder::close);
            this.samples =
                    owned.add(
                            new SampleReader(kernels, limits.maxSequences()), SampleReader::close);
            this.residuals =
                    owned.add(
                            new ResidualReader(
                                    kernels,
                                    activations,
                                    checks.interval() > 0 ? limits.maxTokens() : canaryTokens(),
                                    checks.flips()),
                            ResidualReader::close);
            this.graphs = owned.add(new DecodeGraphs(), DecodeGraphs::close);
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        }
        this.positions = new PositionReader(model, kernels, activations, sampler, samples, slots);
    }

    long epoch() {
        return epoch;
    }

    Communicator communicator() {
        return communicator;
    }

    /// Returns whether every row is a whole sequence that keeps nothing.
    boolean isOfEncoder() {
        return model.isEncoder();
    }

    /// Returns whether rows may sample tokens.
    boolean generates() {
        return model.hasOutputHead();
    }

    int kvGroups() {
        return kv.size();
    }

    SessionLimits limits() {
        return limits;
    }

    long lastNumber() {
        return order.last();
    }

    /// Launches the next step of the epoch: calls its ops, without waiting for them. Throws if the
    /// step is not the next one.
    LaunchedStep launch(Step step) {
        order.require(step.epoch(), step.number());
        kernels.stepBegins(step.tokens());
        LaunchedStep launched;
        try {
            launched = enqueue(step);
        } finally {
            kernels.stepEnds();
        }
        order.ran();
        return launched;
    }

    /// Waits for a launched step and returns its outcome. Steps complete in the order in which they
    /// were launched.
    StepOutcome complete(LaunchedStep step) {
        step.mark().await();
        communicator.requireRunning();
        List<StepOutcome.Refused> refused = new ArrayList<>(step.refused());
        List<StepOutcome.Sampled> sampled =
                new ArrayList<>(
                        constrained.follow(
                                step,
                                step.sampled().map(samples::read).orElse(List.of()),
                                refused));
        sampled.addAll(step.answers());
        List<StepOutcome.Outputs> outputs = step.readBack().map(positions::read).orElse(List.of());
        blocks.named(step.filled());
        OptionalInt checksum = step.residual().stream().mapToInt(ResidualReader::read).findFirst();
        long end = System.nanoTime();
        // A step that was launched while another one ran began at the end of that one.
        long nanos = Math.min(end - step.launchedNanos(), end - lastEndNanos);
        lastEndNanos = end;
        return new StepOutcome(
                step.epoch(),
                step.number(),
                refused,
                sampled,
                outputs,
                checksum,
                nanos,
                waitedSince());
    }

    /// Returns the time that this rank waited for others since the last call.
    private long waitedSince() {
        long all = communicator.waitedNanos();
        long since = all == Communicator.UNKNOWN ? all : all - waitedNanos;
        waitedNanos = all;
        return since;
    }

    /// Runs the next step of the epoch to its end, with no other one in flight.
    StepOutcome run(Step step) {
        return complete(launch(step));
    }

    /// Runs a step to its end without numbering it, for warm-up.
    StepOutcome execute(Step step) {
        return complete(enqueue(step));
    }

    /// Runs a step of a fixed prompt that keeps no keys and values, between the steps of sequences;
    /// no sequence runs. Equal on all ranks that compute right, but for the token.
    CanaryOutcome canary() {
        int slot = limits.maxSequences() - 1;
        // A sequence that has ended may wait for its release, with the next step.
        Optional<Slot> ended = slots.take(slot);
        unserved.release(slot);
        int[] prompt = new int[canaryTokens()];
        for (int i = 0; i < prompt.length; i++) {
            prompt[i] = (31 * i + 17) % model.vocabularySize();
        }
        var admission =
                new Step.Admission(
                        "canary",
                        slot,
                        prompt,
                        NO_SLOTS,
                        SamplingSettings.greedy(),
                        0,
                        OutputSettings.NONE,
                        generates(),
                        true);
        var row = new Step.Row(slot, 0, prompt.length, List.of(), List.of());
        StepOutcome outcome =
                execute(new Step(epoch, 0, NO_SLOTS, List.of(admission), List.of(), List.of(row)));
        ResidualReader.Coming residual = residuals.later(prompt.length, 0);
        kernels.synchronize();
        execute(new Step(epoch, 0, new int[] {slot}, List.of(), List.of(), List.of()));
        ended.ifPresent(each -> slots.put(slot, each));
        return new CanaryOutcome(
                outcome.sampled().stream().mapToInt(StepOutcome.Sampled::id).findFirst().orElse(0),
                ResidualReader.read(residual));
    }

    private int canaryTokens() {
        return Math.min(CANARY_TOKENS, Math.min(limits.maxTokens(), limits.maxPositions()));
    }

    /// Returns whether all ops of this epoch have finished, also those of a step that failed; waits
    /// until `limit` after it has aborted what still runs.
    ///
    /// @throws DeviceLostException if the device is lost, or nobody can know whether they have
    boolean drained(Duration limit) {
        Mark last;
        try {
            last = kernels.mark();
        } catch (RuntimeException failure) {
            throw new DeviceLostException(
                    "the end of epoch %d cannot be awaited: %s"
                            .formatted(epoch, failure.getMessage()));
        }
        if (!last.reached()) {
            communicator.abort("the epoch ends");
        }
        long deadline = System.nanoTime() + limit.toNanos();
        while (!last.reached()) {
            if (System.nanoTime() - deadline > 0) {
                return false;
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
        try {
            last.await();
        } catch (DeviceLostException e) {
            throw e;
        } catch (RuntimeException e) {
            LOG.warn("an op of epoch {} failed, which has ended", epoch, e);
        }
        return true;
    }

    /// Returns why a step failed: ops that follow an aborted collective read undefined values, so
    /// what they find wrong is the abort's doing.
    Throwable cause(Throwable failure) {
        if (failure instanceof DeviceLostException) {
            return failure;
        }
        try {
            communicator.requireRunning();
            return failure;
        } catch (CommunicatorAbortedException aborted) {
            if (aborted != failure) {
                aborted.addSuppressed(failure);
            }
            return aborted;
        }
    }

    private LaunchedStep enqueue(Step step) {
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
        blocks.copy(states.copy(step.copies()));
        Optional<SampleReader.Coming> sampled = Optional.empty();
        Map<Integer, Constraint> constraints = Map.of();
        Optional<BatchBuilder.Batch> readBack = Optional.empty();
        Optional<ResidualReader.Coming> residual = Optional.empty();
        List<HeldBlocks.Filled> filled = List.of();
        requireFits(step);
        List<Step.Row> rows = unserved.computed(step.rows());
        if (!rows.isEmpty()) {
            OptionalInt recorded = recorded(rows);
            BatchBuilder.Batch batch = batch(rows, recorded);
            constraints = constrained.mask(batch.samplingSlots(), refused);
            sampled = forward(batch, recorded);
            readBack = Optional.of(batch).filter(positions::reads);
            if (checks.due(step.number())) {
                residual = Optional.of(residuals.later(Step.tokens(rows), step.number()));
            }
            filled = blocks.filled(rows, slots);
        }
        Mark mark = kernels.mark();
        return new LaunchedStep(
                step.epoch(),
                step.number(),
                mark,
                mark.reached(),
                start,
                refused,
                sampled,
                constraints,
                communicator.rank() == 0 ? unserved.answers(step.rows()) : List.of(),
                readBack,
                residual,
                filled);
    }

    /// Refuses an admission whose settings have ids outside the vocabulary, or that asks for token
    /// types, for tokens or log-probabilities, or for kept keys and values that the model does not
    /// have; the same on all ranks.
    private Step.Admission checked(Step.Admission admission) {
        try {
            admission.settings().requireVocabulary(model.vocabularySize());
            if (admission.outputs().secondText() > 0 && tokenTypes() < 2) {
                throw new IllegalArgumentException(
                        "second_text is %d, and the model has no token types"
                                .formatted(admission.outputs().secondText()));
            }
            if (!computes(admission)) {
                throw new IllegalArgumentException(
                        "an encoder computes a sequence in one step, without KV");
            }
            if ((admission.generates() || admission.outputs().logprobs()) && !generates()) {
                throw new IllegalArgumentException(WITHOUT_LOGITS);
            }
            return admission;
        } catch (IllegalArgumentException e) {
            return admission.refused(e.getMessage() + "");
        }
    }

    private boolean computes(Step.Admission admission) {
        return !model.isEncoder() || admission.withoutKv();
    }

    private int tokenTypes() {
        return model.config().details().encoder().map(EncoderConfig::tokenTypes).orElse(0);
    }

    /// Makes every collective of this epoch fail, also one that the step thread is in; returns
    /// whether this is the first abort. Any thread may call it.
    boolean abort(String reason) {
        communicator.abort(reason);
        return aborted.compareAndSet(false, true);
    }

    /// Records a decode step of each size, the largest first; a device that cannot record has none.
    /// They are recorded on padding rows alone, so that blocks stay as they are. All ranks do this
    /// together.
    void record(List<Integer> sizes) {
        long before = kernels.freeBytes();
        for (int size : sizes.reversed()) {
            BatchBuilder.Batch batch = batches.decode(List.of(), slots, size);
            Samples out = samples.rows(size);
            // What is loaded, connected or allocated at a first call is not to be recorded.
            for (int i = 0; i < RUNS_BEFORE_RECORDING; i++) {
                ops(batch, out);
            }
            kernels.synchronize();
            communicator.requireRunning();
            Optional<Recording> recording = kernels.record(() -> ops(batch, out));
            if (recording.isEmpty()) {
                return;
            }
            graphs.add(size, recording.get());
        }
        LOG.info(
                "decode steps of {} rows are recorded, in {} KiB",
                sizes,
                (before - kernels.freeBytes()) >> 10);
    }

    /// Returns the rows of the recorded step that runs these rows; empty if none does, because a
    /// row does anything but sample one token. The same on all ranks.
    private OptionalInt recorded(List<Step.Row> rows) {
        for (Step.Row row : rows) {
            Slot slot = slots.at(row.slot());
            if (row.count() != 1
                    || row.ids().length > 0
                    || slot.withoutKv()
                    || slot.outputs().readsHiddenStates()
                    || !slot.samplesAt(row.computed() + 1)) {
                return OptionalInt.empty();
            }
        }
        return graphs.size(rows.size());
    }

    private BatchBuilder.Batch batch(List<Step.Row> rows, OptionalInt recorded) {
        for (Step.Row row : rows) {
            Slot slot = slots.at(row.slot());
            slot.advance(row, limits);
            if (row.ids().length > 1) {
                sampler.append(row.slot(), row.forced());
            }
            if (!slot.withoutKv()) {
                blocks.written(row, slot);
            }
        }
        return recorded.isPresent()
                ? batches.decode(rows, slots, recorded.getAsInt())
                : batches.build(rows, slots);
    }

    private Optional<SampleReader.Coming> forward(BatchBuilder.Batch batch, OptionalInt recorded) {
        int[] sampling = batch.samplingSlots();
        int rows = batch.logitSlots().columns();
        if (recorded.isPresent()) {
            communicator.requireRunning();
            graphs.launch(recorded.getAsInt());
        } else {
            ops(batch, samples.rows(rows));
        }
        return sampling.length > 0 && communicator.rank() == 0
                ? Optional.of(
                        samples.later(
                                rows, sampling, slot -> topLogprobs(slots.at(slot).settings())))
                : Optional.empty();
    }

    /// Calls the ops of a step, to its sampled ids.
    private void ops(BatchBuilder.Batch batch, Samples out) {
        sampler.resolve(batch.forward().ids());
        Tensor logits = model.forward(batch.forward(), kv, activations);
        if (out.ids().columns() == 0) {
            return;
        }
        if (communicator.rank() == 0) {
            sampler.sample(logits, batch.logitSlots(), out);
        }
        communicator.broadcast(out.ids(), 0);
        sampler.record(batch.logitSlots(), out.ids());
    }

    private static int topLogprobs(SamplingSettings settings) {
        return settings.measures() ? settings.topLogprobs() : SampleReader.NO_LOGPROBS;
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
        boolean silent = admission.generates() && !generates();
        if (silent || !computes(admission)) {
            unserved.add(admission, computes(admission));
        }
        var admitted = new Slot(silent ? admission.withoutTokens() : admission, kv.size());
        admitted.named(admission.computed() / limits.blockSize());
        slots.put(slot, admitted);
        sampler.admit(slot, admission.settings(), admission.promptIds(), admission.outputIds());
        if (communicator.rank() == 0) {
            constrained.admit(admission, model.vocabularySize());
        }
    }

    private void release(int slot) {
        slots.clear(slot);
        unserved.release(slot);
        sampler.release(slot);
    }

    @Override
    public void close() {
        // Graphs have collectives of the communicator, which is closed last.
        try (communicator) {
            owned.close();
        }
    }
}
