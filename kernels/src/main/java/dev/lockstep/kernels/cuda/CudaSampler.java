// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static dev.lockstep.kernels.cuda.KernelStruct.REPORT;
import static dev.lockstep.kernels.cuda.KernelStruct.named;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import java.util.List;

/// A sampler on the device, one block of threads for a row. A NaN logit is never chosen; if no
/// logit is above minus infinity, id 0 is chosen. Logits are not overwritten.
///
/// The ops of a step read nothing from the host and can be recorded; a recording follows the slots
/// as they are at each launch.
final class CudaSampler implements Sampler {
    static final KernelStruct SAMPLES =
            named("Samples")
                    .pointer("ids")
                    .pointer("logprobs")
                    .view("top_ids")
                    .view("top_logprobs");
    static final KernelDeclaration RESOLVE =
            new KernelDeclaration(
                    "sampler",
                    "sampler_resolve",
                    named("SamplerResolveParams")
                            .struct("sampler", SamplerSlots.STATE)
                            .pointer("ids")
                            .i64("count")
                            .report());
    static final KernelDeclaration RECORD =
            new KernelDeclaration(
                    "sampler",
                    "sampler_record",
                    named("SamplerRecordParams")
                            .struct("sampler", SamplerSlots.STATE)
                            .pointer("slots")
                            .pointer("ids")
                            .i64("count")
                            .struct("slot_report", REPORT)
                            .struct("id_report", REPORT));
    static final KernelDeclaration SAMPLE =
            KernelDeclaration.of(
                    "sample",
                    named("SampleParams")
                            .struct("sampler", SamplerSlots.STATE)
                            .view("logits")
                            .pointer("slots")
                            .struct("out", SAMPLES)
                            .report());
    static final KernelDeclaration SCORE =
            new KernelDeclaration(
                    "sample",
                    "score",
                    named("ScoreParams")
                            .view("logits")
                            .pointer("targets")
                            .struct("out", SAMPLES)
                            .i64("top")
                            .report());

    // The mass of so many tokens, each as likely as the most likely one, fits the kernel's integer.
    private static final int MAX_VOCABULARY = 1 << 19;
    // Logits that share one sum of exponentials, which a block keeps in its shared memory.
    private static final int CHUNK = 64;
    private static final int LOGITS_OF_THREAD = 16;

    private final CudaContext context;
    private final SamplerSlots slots;
    private final int vocabulary;
    private final int threads;
    private final int sharedBytes;
    private final CudaOp resolve;
    private final CudaOp record;
    private final CudaOp sample;
    private final CudaOp score;

    CudaSampler(CudaContext context, int slots, int vocabulary) {
        if (slots < 1 || vocabulary < 1 || vocabulary > MAX_VOCABULARY) {
            throw new IllegalArgumentException(
                    "a sampler of %d slots for a vocabulary of %d, must be 1 to %d"
                            .formatted(slots, vocabulary, MAX_VOCABULARY));
        }
        this.context = context;
        this.vocabulary = vocabulary;
        threads = CudaOp.threads((vocabulary - 1) / LOGITS_OF_THREAD + 1);
        sharedBytes = Float.BYTES * ((vocabulary - 1) / CHUNK + 1);
        resolve = context.programs().op(RESOLVE, SamplerSlots.UNFUSED);
        record = context.programs().op(RECORD, SamplerSlots.UNFUSED);
        sample = context.programs().op(SAMPLE, sharedBytes, SamplerSlots.UNFUSED);
        score = context.programs().op(SCORE, sharedBytes, SamplerSlots.UNFUSED);
        this.slots = new SamplerSlots(context, slots, vocabulary);
    }

    static List<KernelDeclaration> declarations() {
        return List.of(
                SamplerSlots.ADMIT,
                SamplerSlots.RELEASE,
                SamplerSlots.ALLOW,
                SamplerSlots.APPEND,
                SamplerSlots.COUNT,
                RESOLVE,
                RECORD,
                SAMPLE,
                SCORE);
    }

    @Override
    public void admit(int slot, SamplingSettings settings, int[] promptIds, int[] outputIds) {
        requireSlot(slot);
        requireIds("prompt id", promptIds);
        requireIds("output id", outputIds);
        settings.requireVocabulary(vocabulary);
        slots.admit(slot, settings, promptIds, outputIds);
    }

    @Override
    public void release(int slot) {
        requireSlot(slot);
        slots.release(slot);
    }

    @Override
    public void allow(int slot, long[] allowed) {
        requireSlot(slot);
        SamplingSettings.requireMask(allowed, vocabulary);
        slots.allow(slot, allowed);
    }

    @Override
    public void append(int slot, int[] ids) {
        requireSlot(slot);
        requireIds("appended id", ids);
        slots.append(slot, ids);
    }

    @Override
    public void resolve(Tensor ids) {
        ids.require("ids", DType.I32, 1, ids.columns());
        slots.addTo(resolve.begin())
                .pointer(ids)
                .i64(ids.columns())
                .report(CheckedIndex.RESOLVED_SLOT)
                .launchThreads(ids.columns());
        context.progress().enqueued();
    }

    @Override
    public void sample(Tensor logits, Tensor slots, Samples out) {
        requireFits(logits, out);
        slots.require("slots", DType.I32, 1, logits.rows());
        addSamples(this.slots.addTo(sample.begin()).view(logits).pointer(slots), out)
                .report(CheckedIndex.SAMPLED_SLOT);
        launchRows(sample, logits.rows());
    }

    @Override
    public void score(Tensor logits, Tensor targets, int top, Samples out) {
        requireFits(logits, out);
        targets.require("targets", DType.I32, 1, logits.rows());
        if (top < 0 || top > SamplingSettings.MAX_TOP_LOGPROBS) {
            throw new IllegalArgumentException(
                    "%d most likely ids, at most %d"
                            .formatted(top, SamplingSettings.MAX_TOP_LOGPROBS));
        }
        addSamples(score.begin().view(logits).pointer(targets), out)
                .i64(top)
                .report(CheckedIndex.SCORED_TARGET);
        launchRows(score, logits.rows());
    }

    @Override
    public void record(Tensor slots, Tensor ids) {
        slots.require("slots", DType.I32, 1, ids.columns());
        ids.require("ids", DType.I32, 1, ids.columns());
        this.slots
                .addTo(record.begin())
                .pointer(slots)
                .pointer(ids)
                .i64(ids.columns())
                .report(CheckedIndex.RECORDED_SLOT)
                .report(CheckedIndex.RECORDED_ID)
                .launchThreads(ids.columns());
        context.progress().enqueued();
    }

    private static CudaOp addSamples(CudaOp op, Samples out) {
        return op.pointer(out.ids())
                .pointer(out.logprobs())
                .view(out.topIds())
                .view(out.topLogprobs());
    }

    private void launchRows(CudaOp op, int rows) {
        if (rows > 0) {
            op.launch(rows, 1, 1, threads, sharedBytes);
        }
        context.progress().enqueued();
    }

    private void requireFits(Tensor logits, Samples out) {
        int rows = logits.rows();
        logits.require("logits", DType.F32, rows, vocabulary);
        out.ids().require("ids", DType.I32, 1, rows);
        out.logprobs().require("logprobs", DType.F32, 1, rows);
        int top = SamplingSettings.MAX_TOP_LOGPROBS;
        out.topIds().require("topIds", DType.I32, rows, top);
        out.topLogprobs().require("topLogprobs", DType.F32, rows, top);
    }

    private void requireSlot(int slot) {
        if (slot < 0 || slot >= slots.count()) {
            throw new IllegalArgumentException("slot %d of %d".formatted(slot, slots.count()));
        }
    }

    private void requireIds(String what, int[] ids) {
        for (int id : ids) {
            if (id < 0 || id >= vocabulary) {
                throw new IllegalArgumentException(
                        "%s %d of a vocabulary of %d".formatted(what, id, vocabulary));
            }
        }
    }

    @Override
    public void close() {
        slots.close();
    }
}
