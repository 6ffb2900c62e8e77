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
        libraries(folder);
        Files.createFile(folder.resolve("libnccl.so.2"));
        assertEquals("result             --device cuda can be used", lines(folder).getLast());
    }

    @Test
    void aHostWithoutNcclServesOneRank(@TempDir Path folder) throws IOException {
        libraries(folder);
        List<String> lines = lines(folder);
        assertEquals(
                "missing            libnccl.so.2 was not found in " + folder,
                lines.get(lines.size() - 3));
        assertEquals("result             --device cuda can be used by one rank", lines.getLast());
    }

    private static void libraries(Path folder) throws IOException {
        for (String file :
                List.of(
                        "libcudart.so.13",
                        "libnvrtc.so.13",
                        "libcublasLt.so.13",
                        "libcublas.so.13")) {
            Files.createFile(folder.resolve(file));
        }
    }
}
