// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.InstructionSet.VECTOR_API;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// A benchmark that prints the speed of products and the read bandwidth of the same run. Run by
/// hand: `KernelBench [threads] [instruction set] [type]…`.
///
/// The weights of a format exceed the caches and are used in turn, as a decoding model uses its
/// layers; the best of several rounds counts, since other load only ever slows it.
final class KernelBench {
    private static final int SIZE = 2048;
    private static final long WEIGHT_BYTES = 192L << 20;
    private static final int ROUNDS = 5;
    private static final long WARM_UP_NANOS = 5_000_000_000L;
    private static final int[] TOKENS = {1, 2, 4, 8, 64, 256};

    private KernelBench() {}

    public static void main(String[] arguments) {
        int threads = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 1;
        InstructionSet set =
                arguments.length > 1 ? InstructionSet.valueOf(arguments[1]) : InstructionSet.best();
        CpuOptions options = CpuOptions.ofThreads(threads).with(set);
        System.out.printf("%s, %s, %d threads%n", CpuFeatures.current().name(), set.key(), threads);
        System.out.printf("read bandwidth %5.1f GB/s%n", readBandwidth(options));
        List<String> only =
                List.of(arguments).subList(Math.min(2, arguments.length), arguments.length);
        for (TensorType type : TensorType.values()) {
            if (!only.isEmpty() && !only.contains(type.name())) {
                continue;
            }
            for (DType compute : computeTypes(type)) {
                measure(options, type, compute);
            }
        }
    }

    private static List<DType> computeTypes(TensorType type) {
        return switch (type) {
            case F16 -> List.of();
            case BF16 -> List.of(DType.BF16);
            case E4M3, NVFP4, NF4, FP4 -> List.of(DType.F32, DType.BF16);
            default -> List.of(DType.F32);
        };
    }

    private static void measure(CpuOptions options, TensorType type, DType compute) {
        try (var device = new TestDevice(CpuKernels.open(options))) {
            StoredMatrix stored = StoredMatrix.random(type, SIZE, SIZE, 1);
            var weights = new ArrayList<PackedWeight>();
            long start = System.nanoTime();
            long bytes = 0;
            while (bytes < WEIGHT_BYTES) {
                weights.add(device.kernels().prepare(List.of(stored.whole()), compute));
                bytes += weights.getLast().bytes();
            }
            System.out.printf(
                    "%-9s %-4s packed at %5.2f GB/s",
                    type, compute, (double) bytes / (System.nanoTime() - start));
            // Java's kernels are compiled while they run.
            boolean compiled = options.instructionSet().equals(Optional.of(VECTOR_API));
            long warm = System.nanoTime() + (compiled ? WARM_UP_NANOS : 0);
            do {
                for (int tokens : TOKENS) {
                    nanos(device, weights, tokens);
                }
            } while (System.nanoTime() < warm);
            for (int tokens : TOKENS) {
                double nanos = nanos(device, weights, tokens);
                System.out.printf(
                        " | M=%d %5.1f GB/s %5.0f Gop/s",
                        tokens,
                        weights.getFirst().bytes() / nanos,
                        2.0 * SIZE * SIZE * tokens / nanos);
            }
            System.out.println();
        }
    }

    /// Returns the time of a product, the best of some rounds.
    private static double nanos(TestDevice device, List<PackedWeight> weights, int tokens) {
        Tensor x = device.zeros(DType.F32, tokens, SIZE);
        Tensor out = device.zeros(DType.F32, tokens, SIZE);
        List<PackedWeight> some = tokens <= 8 ? weights : weights.subList(0, tokens > 64 ? 1 : 4);
        long best = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            long begin = System.nanoTime();
            for (PackedWeight weight : some) {
                device.kernels().matmul(x, weight, out);
            }
            best = Math.min(best, System.nanoTime() - begin);
        }
        return (double) best / some.size();
    }

    private static double readBandwidth(CpuOptions options) {
        long bytes = 512L << 20;
        long[] sums = new long[options.threads()];
        try (var team = new ThreadTeam(options);
                var memory = new CpuMemory();
                DeviceBuffer buffer = memory.buffer(bytes)) {
            long address = buffer.pointer().address();
            AllMemory.SEGMENT.asSlice(address, bytes).fill((byte) 1);
            long best = Long.MAX_VALUE;
            for (int round = 0; round < ROUNDS + 3; round++) {
                long begin = System.nanoTime();
                team.run(
                        (thread, count) ->
                                sums[thread] +=
                                        sum(address + bytes / count * thread, bytes / count));
                best = Math.min(best, System.nanoTime() - begin);
            }
            return (double) bytes / best;
        }
    }

    private static long sum(long address, long bytes) {
        VectorSpecies<Long> species = LongVector.SPECIES_PREFERRED;
        LongVector first = LongVector.zero(species);
        LongVector second = first;
        LongVector third = first;
        LongVector fourth = first;
        for (long at = address; at < address + bytes; at += 256) {
            first =
                    first.add(
                            LongVector.fromMemorySegment(
                                    species, AllMemory.SEGMENT, at, VectorLanes.ORDER));
            second =
                    second.add(
                            LongVector.fromMemorySegment(
                                    species, AllMemory.SEGMENT, at + 64, VectorLanes.ORDER));
            third =
                    third.add(
                            LongVector.fromMemorySegment(
                                    species, AllMemory.SEGMENT, at + 128, VectorLanes.ORDER));
            fourth =
                    fourth.add(
                            LongVector.fromMemorySegment(
                                    species, AllMemory.SEGMENT, at + 192, VectorLanes.ORDER));
        }
        return first.add(second).add(third).add(fourth).reduceLanes(VectorOperators.ADD);
    }
}
