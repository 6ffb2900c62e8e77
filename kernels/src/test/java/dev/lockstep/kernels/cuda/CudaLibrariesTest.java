// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CudaLibrariesTest {

    @Test
    void aSecondCopyOfALibraryIsRefused(@TempDir Path folder) throws IOException {
        Path real = Files.writeString(folder.resolve("libcudart.so.13.0.96"), "");
        Path link = folder.resolve("libcudart.so.13");
        Files.createSymbolicLink(link, real.getFileName());
        Map<CudaLibrary, Path> files = Map.of(CudaLibrary.RUNTIME, link);
        String own = "7f00-7f01 r-xp 00000000 08:01 42    " + real.toRealPath();
        String glue = "7f02-7f03 r-xp 00000000 08:01 43    /cache/libjnicudart.so";
        String other =
                "7f04-7f05 r-xp 00000000 08:01 44    /usr/local/cuda/lib64/libcudart.so.13.1.80";
        CudaLibraries.requireOneCopyEach(
                List.of(own, own, glue, "7f06-7f07 rw-p 0 00:00 0"), files);
        CudaUnavailableException refused =
                assertThrows(
                        CudaUnavailableException.class,
                        () -> CudaLibraries.requireOneCopyEach(List.of(own, glue, other), files));
        assertTrue(
                refused.toString().contains("/usr/local/cuda/lib64/libcudart.so.13.1.80"),
                refused.getMessage());
    }

    @Test
    void bindingAtOnceIsRefused() {
        CudaLibraries.requireLazyBinding(null);
        CudaLibraries.requireLazyBinding("");
        assertThrows(CudaUnavailableException.class, () -> CudaLibraries.requireLazyBinding("1"));
    }

    @Test
    void ncclIsNeededForSeveralRanksOnly(@TempDir Path folder) throws IOException {
        for (CudaLibrary library : CudaLibrary.values()) {
            if (library != CudaLibrary.NCCL) {
                Files.writeString(folder.resolve(library.soname()), "");
            }
        }
        LibrarySearch search = LibrarySearch.only(List.of(folder));
        assertEquals(5, CudaLibraries.locate(search, false).size());
        CudaUnavailableException missing =
                assertThrows(
                        CudaUnavailableException.class, () -> CudaLibraries.locate(search, true));
        assertTrue(missing.missing().startsWith("libnccl.so.2 was not found in"));
    }
}
