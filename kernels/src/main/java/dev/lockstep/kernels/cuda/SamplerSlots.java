// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static dev.lockstep.kernels.cuda.KernelStruct.named;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.SamplingSettings;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Map;

/// The state of a sampler in the memory of its device: for each slot the settings, the number of
/// tokens and the last one, biases, and the counts of all tokens of the vocabulary.
///
/// Admission and release are in stream order, as everything that reads the state: a step that was
/// launched before keeps the old sequence of the slot.
final class SamplerSlots implements AutoCloseable {
    static final KernelStruct SLOT =
            named("SamplingSlot")
                    .f64("factor")
                    .f64("depth")
                    .i64("seed")
                    .pointer("biased_ids")
                    .pointer("biases")
                    .f32("temperature")
                    .f32("top_p")
                    .f32("typical_p")
                    .f32("repetition_penalty")
                    .f32("frequency_penalty")
                    .f32("presence_penalty")
                    .i32("top_k")
                    .i32("choice")
                    .i32("min_tokens")
                    .i32("bias_count")
                    .i32("has_penalties")
                    .i32("reads_counts")
                    .i32("logprobs")
                    .i32("top_logprobs")
                    .i32("admitted")
                    .i32("outputs")
                    .i32("last")
                    .i32("restricted");
    static final KernelStruct STATE =
            named("SamplerState")
                    .pointer("slots")
                    .pointer("counts")
                    .pointer("masks")
                    .i32("slot_count")
                    .i32("vocabulary");
    static final KernelDeclaration ADMIT =
            new KernelDeclaration(
                    "sampler",
                    "sampler_admit",
                    named("SamplerAdmitParams")
                            .struct("sampler", STATE)
                            .struct("settings", SLOT)
                            .i64("slot"));
    static final KernelDeclaration RELEASE =
            new KernelDeclaration(
                    "sampler",
                    "sampler_release",
                    named("SamplerReleaseParams").struct("sampler", STATE).i64("slot"));
    static final KernelDeclaration ALLOW =
            new KernelDeclaration(
                    "sampler",
                    "sampler_allow",
                    named("SamplerAllowParams").struct("sampler", STATE).i64("slot"));
    static final KernelDeclaration APPEND =
            new KernelDeclaration(
                    "sampler",
                    "sampler_append",
                    named("SamplerAppendParams")
                            .struct("sampler", STATE)
                            .i64("slot")
                            .pointer("ids")
                            .i64("count"));
    static final KernelDeclaration COUNT =
            new KernelDeclaration(
                    "sampler",
                    "sampler_count",
                    named("SamplerCountParams")
                            .pointer("counts")
                            .pointer("ids")
                            .i32("count")
                            .i32("flag"));

    /// The noise has the CPU's bits only if no two operations are fused.
    static final String UNFUSED = "--fmad=false";

    // Flags of a token in its count; without one it is counted as generated.
    private static final int IN_PROMPT = 0x80000000;
    private static final int MASKED = 0x40000000;
    private static final int BIASED = 0x20000000;
    private static final int GENERATED = 0;

    // Ids that are counted at once; the ids of a longer prompt follow through the same memory.
    private static final int PIECE = 1 << 14;
    private static final long ALIGNMENT = 256;

    private final CudaContext context;
    private final int slots;
    private final int vocabulary;
    private final DeviceBuffer memory;
    private final DevicePointer biasedIds;
    private final DevicePointer biases;
    private final DevicePointer piece;
    private final DevicePointer counts;
    private final DevicePointer masks;
    private final CudaOp admit;
    private final CudaOp release;
    private final CudaOp allow;
    private final CudaOp append;
    private final CudaOp count;

    SamplerSlots(CudaContext context, int slots, int vocabulary) {
        this.context = context;
        this.slots = slots;
        this.vocabulary = vocabulary;
        admit = context.programs().op(ADMIT, UNFUSED);
        release = context.programs().op(RELEASE, UNFUSED);
        allow = context.programs().op(ALLOW, UNFUSED);
        append = context.programs().op(APPEND, UNFUSED);
        count = context.programs().op(COUNT, UNFUSED);
        // Last: what fails before it has no memory to free.
        memory = context.memory().buffer(bytes(slots, vocabulary));
        biasedIds = memory.pointer().plus(aligned((long) SLOT.bytes() * slots));
        biases = biasedIds.plus(biasBytes(slots));
        piece = biases.plus(biasBytes(slots));
        masks = piece.plus(Integer.BYTES * PIECE);
        counts = masks.plus(maskBytes(vocabulary) * slots);
    }

    /// Returns the bytes of device memory that a sampler has.
    static long bytes(int slots, int vocabulary) {
        return aligned((long) SLOT.bytes() * slots)
                + 2 * biasBytes(slots)
                + (long) Integer.BYTES * PIECE
                + maskBytes(vocabulary) * slots
                + (long) Integer.BYTES * slots * vocabulary;
    }

    private static long biasBytes(int slots) {
        return (long) Float.BYTES * SamplingSettings.MAX_BIASES * slots;
    }

    private static long maskBytes(int vocabulary) {
        return (long) Long.BYTES * ((vocabulary + Long.SIZE - 1) / Long.SIZE);
    }

    private static long aligned(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    int count() {
        return slots;
    }

    int vocabulary() {
        return vocabulary;
    }

    /// Adds where the slots are to the parameters of `op`.
    CudaOp addTo(CudaOp op) {
        return op.pointer(memory.pointer())
                .pointer(counts)
                .pointer(masks)
                .i32(slots)
                .i32(vocabulary);
    }

    /// Assigns a slot; slot, settings and ids are in range.
    void admit(int slot, SamplingSettings settings, int[] promptIds, int[] outputIds) {
        context.guard().refuse("an admission to a sampler");
        boolean penalties =
                settings.repetitionPenalty() != 1
                        || settings.frequencyPenalty() != 0
                        || settings.presencePenalty() != 0;
        boolean masks = settings.maskedIds().length > 0 && outputIds.length < settings.minTokens();
        int biased = settings.logitBias().size();
        boolean readsCounts = penalties || masks || biased > 0;
        if (readsCounts) {
            clearCounts(slot);
        }
        if (penalties) {
            count(slot, promptIds, IN_PROMPT);
            count(slot, outputIds, GENERATED);
        }
        if (masks) {
            count(slot, settings.maskedIds(), MASKED);
        }
        if (biased > 0) {
            copyBiases(slot, settings.logitBias());
            count(slot, biasesOf(biasedIds, slot), biased, BIASED);
        }
        int[] last = outputIds.length > 0 ? outputIds : promptIds;
        addTo(admit.begin())
                .f64(1.0 / settings.temperature())
                .f64(settings.minP() == 0 ? Double.POSITIVE_INFINITY : depth(settings))
                .i64(settings.seed())
                .pointer(biasesOf(biasedIds, slot))
                .pointer(biasesOf(biases, slot))
                .f32(settings.temperature())
                .f32(settings.topP())
                .f32(settings.typicalP())
                .f32(settings.repetitionPenalty())
                .f32(settings.frequencyPenalty())
                .f32(settings.presencePenalty())
                .i32(settings.topK())
                .i32(settings.choice())
                .i32(settings.minTokens())
                .i32(biased)
                .i32(penalties ? 1 : 0)
                .i32(readsCounts ? 1 : 0)
                .i32(settings.logprobs() ? 1 : 0)
                .i32(settings.topLogprobs())
                .i32(1)
                .i32(outputIds.length)
                .i32(last.length == 0 ? 0 : last[last.length - 1])
                .i32(0)
                .i64(slot)
                .launch(1, 1, 1, 1);
    }

    /// Returns how far below the greatest a scaled logit may be.
    private static double depth(SamplingSettings settings) {
        return -StrictMath.log(settings.minP());
    }

    void release(int slot) {
        context.guard().refuse("a release from a sampler");
        addTo(release.begin()).i64(slot).launch(1, 1, 1, 1);
    }

    /// Restricts the ids of a slot; slot and mask fit.
    void allow(int slot, long[] allowed) {
        context.guard().refuse("a mask of a sampler");
        long bytes = maskBytes(vocabulary);
        context.staging()
                .copy(MemorySegment.ofArray(allowed).asSlice(0, bytes), masks.plus(bytes * slot));
        addTo(allow.begin()).i64(slot).launch(1, 1, 1, 1);
    }

    /// Counts ids that follow the last one of a slot; slot and ids are in range.
    void append(int slot, int[] ids) {
        context.guard().refuse("ids of a sampler");
        for (int from = 0; from < ids.length; from += PIECE) {
            int length = Math.min(PIECE, ids.length - from);
            copyPiece(ids, from, length);
            addTo(append.begin()).i64(slot).pointer(piece).i64(length).launchThreads(length);
        }
    }

    private DevicePointer countsOf(int slot) {
        return counts.plus((long) Integer.BYTES * slot * vocabulary);
    }

    private static DevicePointer biasesOf(DevicePointer all, int slot) {
        return all.plus((long) Float.BYTES * SamplingSettings.MAX_BIASES * slot);
    }

    private void clearCounts(int slot) {
        long bytes = (long) Integer.BYTES * vocabulary;
        context.cuda().fill(countsOf(slot), (byte) 0, bytes, context.stream());
    }

    private void copyBiases(int slot, Map<Integer, Float> logitBias) {
        int[] ids = logitBias.keySet().stream().mapToInt(id -> id).sorted().toArray();
        float[] values = new float[ids.length];
        for (Map.Entry<Integer, Float> bias : logitBias.entrySet()) {
            values[Arrays.binarySearch(ids, bias.getKey())] = bias.getValue();
        }
        context.staging().copy(MemorySegment.ofArray(ids), biasesOf(biasedIds, slot));
        context.staging().copy(MemorySegment.ofArray(values), biasesOf(biases, slot));
    }

    private void count(int slot, int[] ids, int flag) {
        for (int from = 0; from < ids.length; from += PIECE) {
            int length = Math.min(PIECE, ids.length - from);
            copyPiece(ids, from, length);
            count(slot, piece, length, flag);
        }
    }

    private void copyPiece(int[] ids, int from, int length) {
        long offset = (long) Integer.BYTES * from;
        MemorySegment host =
                MemorySegment.ofArray(ids).asSlice(offset, (long) Integer.BYTES * length);
        context.staging().copy(host, piece);
    }

    private void count(int slot, DevicePointer ids, int length, int flag) {
        count.begin()
                .pointer(countsOf(slot))
                .pointer(ids)
                .i32(length)
                .i32(flag)
                .launchThreads(length);
    }

    @Override
    public void close() {
        memory.close();
    }
}
