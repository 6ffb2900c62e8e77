// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// A sampler with its tensors, which stay in their places from step to step.
final class SamplingRun {
    private static final int ROWS = 64;

    private final TestDevice device;
    private final Sampler sampler;
    private final int vocabulary;
    private final Samples samples;
    private final Tensor slots;
    private final Tensor ids;
    private Tensor logits;

    SamplingRun(TestDevice device, int slots, int vocabulary) {
        this.device = device;
        this.vocabulary = vocabulary;
        sampler = device.kernels().sampler(slots, vocabulary);
        device.atClose(sampler::close);
        DeviceBuffer buffer = device.kernels().allocate(Samples.bytes(ROWS));
        device.atClose(buffer::close);
        samples = Samples.in(buffer, 0, ROWS);
        this.slots = device.zeros(DType.I32, 1, ROWS);
        ids = device.zeros(DType.I32, 1, ROWS);
        logits = device.zeros(DType.F32, 1, vocabulary);
    }

    /// Returns random settings with these values and the rest off.
    static SamplingSettings settings(
            float temperature, float topP, int topK, float minP, long seed, int choice) {
        return SamplingSettings.builder()
                .temperature(temperature)
                .topP(topP)
                .topK(topK)
                .minP(minP)
                .seed(seed)
                .choice(choice)
                .build();
    }

    static SamplingSettings measured(SamplingSettings settings, int topLogprobs) {
        return settings.toBuilder().logprobs(true).topLogprobs(topLogprobs).build();
    }

    Sampler sampler() {
        return sampler;
    }

    Samples samples() {
        return samples;
    }

    /// Samples one row of logits for each slot, and does not record.
    int[] sample(float[][] rows, int... slots) {
        if (logits.rows() < rows.length) {
            logits = device.zeros(DType.F32, rows.length, vocabulary);
        }
        float[] flat = new float[rows.length * vocabulary];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(rows[row], 0, flat, row * vocabulary, vocabulary);
        }
        Tensor values = logits.rows(0, rows.length);
        device.write(values, flat);
        Samples out = samples.rows(rows.length);
        sampler.sample(values, write(this.slots, slots), out);
        return device.ints(out.ids());
    }

    /// Samples the same logits for each slot.
    int[] sampleAll(float[] logits, int... slots) {
        float[][] rows = new float[slots.length][];
        Arrays.fill(rows, logits);
        return sample(rows, slots);
    }

    int sample(float[] logits, int slot) {
        return sampleAll(logits, slot)[0];
    }

    void record(int[] slots, int[] ids) {
        sampler.record(write(this.slots, slots), write(this.ids, ids));
    }

    void record(int slot, int id) {
        record(new int[] {slot}, new int[] {id});
    }

    private Tensor write(Tensor to, int[] values) {
        Tensor written = to.columns(0, values.length);
        device.kernels().copyToDevice(MemorySegment.ofArray(values), written);
        return written;
    }
}
