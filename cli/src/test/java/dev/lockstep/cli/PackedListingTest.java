// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.kernels.cpu.PackedFolder;
import dev.lockstep.kernels.cpu.PackedOptions;
import dev.lockstep.kernels.cpu.PackedShard;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.ModelSource;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `lockstep models` with packed weights of two models and a file that is none.
final class PackedListingTest {
    @TempDir Path temporary;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private PackedFolder folder;
    private PackedListing listing;

    @BeforeEach
    void pack() throws IOException, InterruptedException {
        folder = new PackedFolder(temporary.resolve("packed"));
        listing = new PackedListing(folder, new PrintStream(out, true, UTF_8));
        keep("first", 1);
        keep("second", 2);
        Path foreign = Files.writeString(folder.path().resolve("x.packed"), "nothing");
        Files.setLastModifiedTime(foreign, FileTime.from(Instant.parse("2026-01-02T12:00:00Z")));
    }

    private void keep(String name, int seed) throws IOException, InterruptedException {
        Path model = temporary.resolve(name);
        TinyCheckpoint.write(model, seed);
        ModelSource source = ModelSource.open(model);
        var shard = new PackedShard(name, source.digest(), source.stamp(), 0, 1, "f32");
        var options = new PackedOptions(folder.path(), shard, PackedOptions.Access.READ);
        try (CpuKernels kernels =
                CpuKernels.open(
                        CpuOptions.ofThreads(1).with(InstructionSet.VECTOR_API),
                        () -> Long.MAX_VALUE,
                        Optional.of(options))) {
            var settings =
                    new LoadSettings(DType.F32, DType.F32, 16, 64, LoadSettings.Progress.none());
            source.load(source.shard(0, 1), kernels, settings);
            kernels.keepPacked();
            kernels.awaitPacked();
        }
    }

    @Test
    void everyFileHasALine() {
        listing.print();
        List<String> lines = out.toString(UTF_8).lines().toList();
        assertEquals(5, lines.size());
        assertTrue(lines.get(1).startsWith("packed weights in " + folder.path() + ", "));
        assertEquals("x.packed  not used: it is truncated, 0.0 KiB, used 2026-01-02", lines.get(2));
        for (int i = 0; i < 2; i++) {
            String line = lines.get(3 + i);
            assertTrue(
                    line.contains(
                            "-0of1-f32-vector_api.packed  %s, rank 0 of 1, vector_api, "
                                    .formatted(i == 0 ? "first" : "second")),
                    line);
        }
    }

    @Test
    void theFilesOfAModelAreRemovedOrOneOrAll() throws IOException {
        listing.remove("first");
        assertTrue(out.toString(UTF_8).startsWith("removed 1 files of packed weights, "));
        assertEquals(2, folder.list().size());
        listing.remove("x.packed");
        assertEquals(1, folder.list().size());
        SettingsException refusal =
                assertThrows(SettingsException.class, () -> listing.remove("third"));
        assertEquals(
                "--remove-packed: %s has no packed weights of that name; lockstep models lists them"
                        .formatted(folder.path()),
                refusal.getMessage());
        Path left = Files.writeString(folder.path().resolve("fresh-1.unfinished"), "");
        listing.remove(PackedListing.ALL);
        assertFalse(Files.exists(left));
        assertEquals(List.of(), folder.list());
        out.reset();
        listing.print();
        assertEquals("", out.toString(UTF_8));
    }
}
