// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Arrays;

/// A sampler with its tensors.
final class SamplingRun {
    private final TestDevice device;
    private final Sampler sampler;
    private final int vocabulary;
    private final Samples samples;

    SamplingRun(TestDevice device, int slots, int vocabulary) {
        this.device = device;
        this.vocabulary = vocabulary;
        sampler = device.kernels().sampler(slots, vocabulary);
        device.atClose(sampler::close);
        int rows = 64;
        DeviceBuffer buffer = device.kernels().allocate(Samples.bytes(rows));
        device.atClose(buffer::close);
        samples = Samples.in(buffer, 0, rows);
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
        float[] flat = new float[rows.length * vocabulary];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(rows[row], 0, flat, row * vocabulary, vocabulary);
        }
        Tensor logits = device.floats(rows.length, vocabulary, flat);
        Samples out = samples.rows(rows.length);
        sampler.sample(logits, device.ints(1, slots.length, slots), out);
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
        sampler.record(device.ints(1, slots.length, slots), device.ints(1, ids.length, ids));
    }

    void record(int slot, int id) {
        record(new int[] {slot}, new int[] {id});
    }
}
