// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// A sampler on the CPU and one on a CUDA device, which get the same steps and must give the same:
/// ids, log-probabilities, last ids, and what is not written.
final class SamplerTwins implements AutoCloseable {
    private static final int GUARD = 77;

    private final Twin cpu;
    private final Twin cuda;

    /// @param rows of each step, padding included
    SamplerTwins(int slots, int vocabulary, int rows) {
        cpu =
                new Twin(
                        new TestDevice(CpuKernels.open(CpuOptions.ofThreads(1))),
                        slots,
                        vocabulary,
                        rows);
        cuda = new Twin(new TestDevice(CudaUnderTest.open(DType.F32)), slots, vocabulary, rows);
    }

    TestDevice cuda() {
        return cuda.device;
    }

    void admit(int slot, SamplingSettings settings, int[] promptIds, int[] outputIds) {
        cpu.sampler.admit(slot, settings, promptIds, outputIds);
        cuda.sampler.admit(slot, settings, promptIds, outputIds);
    }

    void admitOnCuda(int slot, SamplingSettings settings) {
        cuda.sampler.admit(slot, settings, new int[0], new int[0]);
    }

    void release(int slot) {
        cpu.sampler.release(slot);
        cuda.sampler.release(slot);
    }

    /// Records the ops of a step of the device; its values come later.
    Recording recordStep() {
        return cuda.device.kernels().record(cuda::step).orElseThrow();
    }

    /// Runs a step on both and compares all that it writes.
    ///
    /// @param slots a slot for each row
    /// @param logits of all rows
    void step(int[] slots, float[] logits) {
        launch(slots, logits);
        compare();
    }

    /// Launches a recorded step and compares it with the CPU's.
    void step(Recording recorded, int[] slots, float[] logits) {
        cuda.fill(slots, logits);
        recorded.launch();
        cpu.fill(slots, logits);
        cpu.step();
        compare();
    }

    /// Launches a step on both.
    void launch(int[] slots, float[] logits) {
        cuda.fill(slots, logits);
        cuda.step();
        cpu.fill(slots, logits);
        cpu.step();
    }

    /// Compares all that the last step has written.
    void compare() {
        assertArrayEquals(cpu.device.ints(cpu.lastIds), cuda.device.ints(cuda.lastIds), "last ids");
        assertArrayEquals(
                cpu.device.ints(cpu.samples.ids()), cuda.device.ints(cuda.samples.ids()), "ids");
        assertArrayEquals(
                cpu.device.floats(cpu.samples.logprobs()),
                cuda.device.floats(cuda.samples.logprobs()),
                "log-probabilities");
        assertArrayEquals(
                cpu.device.ints(cpu.samples.topIds()),
                cuda.device.ints(cuda.samples.topIds()),
                "most likely ids");
        assertArrayEquals(
                cpu.device.floats(cpu.samples.topLogprobs()),
                cuda.device.floats(cuda.samples.topLogprobs()),
                "their log-probabilities");
    }

    /// Scores ids on both.
    void score(int[] targets, int top, float[] logits) {
        cuda.fill(targets, logits);
        cuda.sampler.score(cuda.logits, cuda.slots, top, cuda.samples);
        cpu.fill(targets, logits);
        cpu.sampler.score(cpu.logits, cpu.slots, top, cpu.samples);
        assertArrayEquals(cpu.values(), cuda.values());
    }

    @Override
    public void close() {
        cuda.device.close();
        cpu.device.close();
    }

    /// A sampler and the tensors of its steps, which stay in their places.
    private static final class Twin {
        private final TestDevice device;
        private final Sampler sampler;
        private final Tensor logits;
        private final Tensor slots;
        private final Tensor lastIds;
        private final Samples samples;

        Twin(TestDevice device, int slots, int vocabulary, int rows) {
            this.device = device;
            sampler = device.kernels().sampler(slots, vocabulary);
            device.atClose(sampler::close);
            logits = device.zeros(DType.F32, rows, vocabulary);
            this.slots = device.zeros(DType.I32, 1, rows);
            lastIds = device.zeros(DType.I32, 1, rows);
            DeviceBuffer buffer = device.kernels().allocate(Samples.bytes(rows));
            device.atClose(buffer::close);
            samples = Samples.in(buffer, 0, rows);
        }

        void fill(int[] rowSlots, float[] values) {
            device.kernels().copyToDevice(MemorySegment.ofArray(rowSlots), slots);
            device.kernels()
                    .copyToDevice(
                            MemorySegment.ofArray(
                                    Arrays.stream(rowSlots)
                                            .map(slot -> slot < 0 ? 0 : -1 - slot)
                                            .toArray()),
                            lastIds);
            device.write(logits, values);
            int[] guards = new int[(int) samples.topIds().elements()];
            Arrays.fill(guards, GUARD);
            for (Tensor out : outputs()) {
                device.kernels().copyToDevice(MemorySegment.ofArray(guards), out);
            }
        }

        void step() {
            sampler.resolve(lastIds);
            sampler.sample(logits, slots, samples);
            sampler.record(slots, samples.ids());
        }

        int[] values() {
            return Arrays.stream(outputs())
                    .flatMapToInt(out -> Arrays.stream(device.ints(out)))
                    .toArray();
        }

        private Tensor[] outputs() {
            return new Tensor[] {
                samples.ids(), samples.logprobs(), samples.topIds(), samples.topLogprobs()
            };
        }
    }
}
