// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.WeightRows;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// A benchmark of what a start with packed weights in a file costs, and how fast a decode step then
/// reads them: packed in this process, read from the file, mapped. Run by hand: `PackedBench
/// [threads] [instruction set] [folder]`; the folder's file system matters.
///
/// The three take turns, and the best of several rounds counts: other load only ever slows them.
final class PackedBench {
    private static final int SIZE = 2048;
    private static final int MATRICES = 96;
    private static final int ROUNDS = 5;

    private PackedBench() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        int threads = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 1;
        InstructionSet set =
                arguments.length > 1 ? InstructionSet.valueOf(arguments[1]) : InstructionSet.best();
        Path folder =
                arguments.length > 2
                        ? Path.of(arguments[2])
                        : Files.createTempDirectory("packed-bench");
        CpuOptions options = CpuOptions.ofThreads(threads).with(set);
        System.out.printf("%s, %s, %d threads%n", CpuFeatures.current().name(), set.key(), threads);
        for (TensorType type :
                List.of(TensorType.Q4_0, TensorType.Q4_K, TensorType.Q8_0, TensorType.BF16)) {
            List<WeightRows> matrices = new ArrayList<>();
            WeightRows whole = stored(folder, type);
            for (int i = 0; i < MATRICES; i++) {
                matrices.add(whole);
            }
            for (int round = 0; round < 2; round++) {
                measure("packed", options, Optional.empty(), matrices);
                keep(options, kept(folder, type, PackedOptions.Access.READ), matrices);
                for (PackedOptions.Access access : PackedOptions.Access.values()) {
                    measure(
                            access.name().toLowerCase(Locale.ROOT),
                            options,
                            Optional.of(kept(folder, type, access)),
                            matrices);
                }
            }
        }
        for (PackedFolder.Held held : new PackedFolder(folder).list()) {
            new PackedFolder(folder).delete(held);
        }
    }

    /// Returns a matrix in a mapped file, as a checkpoint has it.
    private static WeightRows stored(Path folder, TensorType type) throws IOException {
        WeightRows rows = StoredMatrix.random(type, SIZE, SIZE, 1).whole();
        Path file = Files.createTempFile(folder, "stored", "");
        Files.write(file, rows.data().toArray(ValueLayout.JAVA_BYTE));
        try (FileChannel channel = FileChannel.open(file)) {
            MemorySegment data =
                    channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.global());
            return new WeightRows("m", data, type, SIZE, rows.rows(), 0, SIZE);
        } finally {
            Files.delete(file);
        }
    }

    private static PackedOptions kept(Path folder, TensorType type, PackedOptions.Access access) {
        String content = "%032x".formatted(type.name().hashCode());
        return new PackedOptions(
                folder, new PackedShard("bench", content, content, 0, 1, "bf16"), access);
    }

    private static void keep(CpuOptions options, PackedOptions kept, List<WeightRows> matrices)
            throws InterruptedException {
        try (CpuKernels kernels =
                CpuKernels.open(options, () -> Long.MAX_VALUE, Optional.of(kept))) {
            matrices.forEach(each -> kernels.prepare(List.of(each), DType.BF16));
            kernels.keepPacked();
            kernels.awaitPacked();
        }
    }

    private static void measure(
            String name,
            CpuOptions options,
            Optional<PackedOptions> kept,
            List<WeightRows> matrices) {
        try (var device = new TestDevice(CpuKernels.open(options, () -> Long.MAX_VALUE, kept))) {
            long begin = System.nanoTime();
            List<PackedWeight> weights =
                    matrices.stream()
                            .map(each -> device.kernels().prepare(List.of(each), DType.BF16))
                            .toList();
            long loaded = System.nanoTime() - begin;
            Tensor x = device.zeros(DType.F32, 1, SIZE);
            Tensor out = device.zeros(DType.F32, 1, SIZE);
            long best = Long.MAX_VALUE;
            for (int round = 0; round < ROUNDS; round++) {
                long start = System.nanoTime();
                for (PackedWeight weight : weights) {
                    device.kernels().matmul(x, weight, out);
                }
                best = Math.min(best, System.nanoTime() - start);
            }
            long bytes = weights.stream().mapToLong(PackedWeight::bytes).sum();
            System.out.printf(
                    "%-5s %-7s in memory after %6.1f ms, %5.2f GB/s | M=1 reads %5.1f GB/s%n",
                    matrices.getFirst().type(),
                    name,
                    loaded / 1e6,
                    (double) bytes / loaded,
                    (double) bytes / best);
        }
    }
}
