// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LoadProgressTest {
    @TempDir Path folder;

    private record Loaded(long bytes, long total) {}

    /// Three ranks share four query heads and two KV heads, one of which is copied.
    @Test
    void noRankLoadsMoreThanEverything() throws Exception {
        TinyModel model = TinyModel.llama("LlamaForCausalLM");
        model.with("tie_word_embeddings", true).without("lm_head.weight").write(folder);
        ModelSource source = ModelSource.open(folder);
        for (int size : List.of(1, 3, 4)) {
            for (int rank = 0; rank < size; rank++) {
                List<Loaded> progress = load(source, rank, size);
                String shown = size + " ranks: " + progress;
                assertTrue(progress.stream().allMatch(each -> each.bytes() <= each.total()), shown);
                Loaded last = progress.getLast();
                assertTrue(last.bytes() >= 0.9 * last.total(), shown);
            }
        }
    }

    private static List<Loaded> load(ModelSource source, int rank, int size) {
        List<Loaded> progress = new ArrayList<>();
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            ComputeTypes types = source.computeTypes("auto", "auto", kernels.capabilities());
            var _ =
                    source.load(
                            source.shard(rank, size),
                            kernels,
                            new LoadSettings(
                                    types.compute(),
                                    types.kv(),
                                    16,
                                    64,
                                    (bytes, total) -> progress.add(new Loaded(bytes, total))));
        }
        return progress;
    }
}
