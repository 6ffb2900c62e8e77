// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// The plan of a model's memory has what an embedding takes that is decoded when it is loaded.
class DecodedEmbeddingTest {
    /// Norms, and a row of the file for each token: of no kind of matrix.
    private static final long OTHERS = 5 * 64 * Float.BYTES + 96 * Integer.BYTES;

    /// A plan has every type in the proportion of the whole model, and a rank may have more of the
    /// columns of 8 bits.
    @ParameterizedTest
    @CsvSource({"1, 0, 0", "2, 0, 0.1", "2, 1, 0.1"})
    void theLoadedBytesAreThoseOfThePlan(int size, int rank, double part) throws Exception {
        ModelSource source = ModelSource.open(folder("quantized/mlx-64"));
        Shard shard = source.shard(rank, size);
        var settings = new LoadSettings(DType.F32, DType.F32, 16, 64, LoadSettings.Progress.none());
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            long planned = source.weightBytes(shard, kernels, DType.F32);
            long loaded = source.load(shard, kernels, settings).weightBytes();
            assertEquals((double) (planned + OTHERS), (double) loaded, part * loaded);
        }
    }

    @ParameterizedTest
    @CsvSource({"quantized/mlx-64, 1, 3456", "references/llama-f16-sharded, 2, 0"})
    void onlyADecodedEmbeddingIsPlannedBesideTheMatrices(String name, int times, long bytes)
            throws Exception {
        ModelSource source = ModelSource.open(folder(name));
        Shard shard = source.shard(0, 1);
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            // F16 in the files is F32 in memory; 4 and 8 bits stay.
            long matrices = times * source.storedWeightBytes(shard);
            assertEquals(matrices + bytes, source.weightBytes(shard, kernels, DType.F32));
        }
    }

    @ParameterizedTest
    @MethodSource
    void theEmbeddingOfEveryFamilyIsKnown(Path folder) {
        assertTrue(ModelSource.open(folder).embedding().isPresent());
    }

    private static List<Path> theEmbeddingOfEveryFamilyIsKnown() throws Exception {
        List<Path> folders = new ArrayList<>();
        for (String name : List.of("references", "encoders")) {
            try (Stream<Path> each = Files.list(folder(name))) {
                each.filter(path -> Files.exists(path.resolve("config.json")))
                        .forEach(folders::add);
            }
        }
        return folders;
    }

    private static Path folder(String name) throws URISyntaxException {
        return Path.of(
                Objects.requireNonNull(DecodedEmbeddingTest.class.getResource("/" + name)).toURI());
    }
}
