// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.checkpoint.CutRewrite;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.kernels.cpu.PackedFolder;
import dev.lockstep.kernels.cpu.PackedOptions;
import dev.lockstep.kernels.cpu.PackedShard;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A start that takes its packed weights from files gives the bits of the start that packed them,
/// and writes no file again.
class PackedStartTest {
    @TempDir Path folder;
    @TempDir Path models;

    @ParameterizedTest
    @CsvSource({
        "models/llama, f32, 1",
        "models/llama, bf16, 3",
        "models/gpt2, f32, 2",
        "models/phi3, f32, 1",
        "models/mixtral, f32, 2",
        "gguf/llama-Q4_0.gguf, auto, 1",
        "gguf/llama-Q4_K_M.gguf, auto, 3",
        "gguf/llama-Q8_0.gguf, auto, 2",
        "gguf/llama-BF16.gguf, auto, 1"
    })
    void aSecondStartHasTheSameBitsAndPacksNothing(String name, String dtype, int ranks)
            throws Exception {
        requireKept(Fixtures.require(name), dtype, ranks);
    }

    @Test
    void aFolderThatIsCutForRanksIsKeptLikeOthers() throws Exception {
        Path model = models.resolve("cut");
        Path source = Fixtures.require("models/mixtral");
        CutRewrite.of(source, model, ModelSource.open(source).reads(2), 1).write((_, _) -> {});
        requireKept(model, "f32", 2);
    }

    private void requireKept(Path model, String dtype, int ranks) throws Exception {
        boolean bf16 = InstructionSet.best().capabilities().hasBf16();
        assumeTrue(bf16 || !dtype.equals("bf16"), "this CPU does not multiply bf16");
        float[][] packed = logits(model, dtype, ranks, PackedOptions.Access.READ);
        List<Object> files = files();
        assertEquals(ranks, files.size());
        for (PackedOptions.Access access : PackedOptions.Access.values()) {
            float[][] again = logits(model, dtype, ranks, access);
            for (int t = 0; t < packed.length; t++) {
                assertArrayEquals(packed[t], again[t]);
            }
            assertEquals(files, files());
        }
    }

    /// Returns logits after a start, which then keeps what it packed.
    private float[][] logits(Path model, String dtype, int ranks, PackedOptions.Access access)
            throws Exception {
        ModelSource source = ModelSource.open(model);
        var cpus =
                new CpuRanks(
                        CpuOptions.ofThreads(2).withoutSpinning(),
                        rank ->
                                Optional.of(
                                        new PackedOptions(
                                                folder,
                                                new PackedShard(
                                                        "m",
                                                        source.digest(),
                                                        source.stamp(),
                                                        rank,
                                                        ranks,
                                                        dtype),
                                                access)));
        try (TestGroup group = TestGroup.load(model, ranks, dtype, "auto", cpus)) {
            cpus.keepPacked();
            int[] prompt = {5, 9, 17, 3, 6, 12, 12, 4};
            int[] blocks = TestGroup.blocks(1, prompt.length);
            return group.forward(List.of(new TestGroup.Row(prompt, 0, blocks)));
        }
    }

    /// Returns what tells one written file from another.
    private List<Object> files() throws IOException {
        var keys = new ArrayList<Object>();
        for (PackedFolder.Held held : new PackedFolder(folder).list()) {
            keys.add(Files.readAttributes(held.file(), BasicFileAttributes.class).fileKey());
        }
        keys.sort(Comparator.comparing(Object::toString));
        return keys;
    }
}
