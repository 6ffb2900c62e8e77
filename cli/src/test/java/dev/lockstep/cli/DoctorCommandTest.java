// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.LibrarySearch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DoctorCommandTest {
    private static final CudaProbe FOUND =
            new CudaProbe(
                    List.of(new CudaProbe.Step("cuInit", "works")),
                    List.of(new CudaDevice(0, "GPU of tests", "GPU-1", 9, 0, 4, 1, 1, 1)),
                    Optional.empty());

    private static final List<String> EVERYTHING =
            List.of(
                    "libcudart.so.13",
                    "libnvrtc.so.13",
                    "libnvrtc-builtins.so.13.0",
                    "libcublasLt.so.13",
                    "libcublas.so.13",
                    "libnccl.so.2");

    private static List<String> lines(Path folder) {
        LibrarySearch search = LibrarySearch.only(List.of(folder));
        return DoctorCommand.text(search, FOUND).lines().toList();
    }

    @Test
    void everyStepAndTheFirstThatIsMissingAreShown(@TempDir Path folder) throws IOException {
        Files.createFile(folder.resolve("libcudart.so.13"));
        List<String> lines = lines(folder);
        assertEquals("searched           " + folder, lines.get(1));
        assertEquals("cuInit             works", lines.get(2));
        assertEquals("libcudart.so.13    " + folder.resolve("libcudart.so.13"), lines.get(3));
        assertEquals("libnvrtc.so.13     not found", lines.get(4));
        assertEquals(
                "missing            libnvrtc.so.13 was not found in " + folder,
                lines.get(lines.size() - 2));
        assertTrue(lines.getLast().contains("nvidia-cuda-nvrtc"), lines.getLast());
    }

    @Test
    void aHostWithEverythingIsToldSo(@TempDir Path folder) throws IOException {
        create(folder, EVERYTHING);
        assertEquals("result             --device cuda can be used", lines(folder).getLast());
    }

    @Test
    void withoutNcclOneRankCanUseAGpu(@TempDir Path folder) throws IOException {
        create(folder, EVERYTHING);
        Files.delete(folder.resolve("libnccl.so.2"));
        List<String> last = lines(folder).reversed().subList(0, 3).reversed();
        assertEquals("result             --device cuda can be used by one rank", last.getFirst());
        assertEquals("missing            libnccl.so.2 was not found in " + folder, last.get(1));
        assertTrue(last.getLast().contains("nvidia-nccl-cu13"), last.getLast());
    }

    @Test
    void aCompilerWithoutItsBuiltInFunctionsCannotBeUsed(@TempDir Path folder) throws IOException {
        create(folder, EVERYTHING);
        Files.delete(folder.resolve("libnvrtc-builtins.so.13.0"));
        List<String> lines = lines(folder);
        assertEquals(
                "missing            libnvrtc-builtins.so.13.x was not found beside "
                        + folder.resolve("libnvrtc.so.13"),
                lines.get(lines.size() - 2));
        assertTrue(lines.getLast().contains("nvidia-cuda-nvrtc"), lines.getLast());
    }

    private static void create(Path folder, List<String> files) throws IOException {
        for (String file : files) {
            Files.createFile(folder.resolve(file));
        }
    }
}
