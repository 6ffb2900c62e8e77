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
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LibrarySearchTest {
    @TempDir private Path root;

    @Test
    void namedFoldersComeBeforeTheToolkitTheLoaderAndPython() throws IOException {
        Path named = library("named", CudaLibrary.NVRTC);
        Path toolkit = library("usr/local/cuda/lib64", CudaLibrary.RUNTIME);
        Path older = library("usr/local/cuda-13.0/lib64", CudaLibrary.RUNTIME);
        Path newer = library("usr/local/cuda-13.1/targets/x86_64-linux/lib", CudaLibrary.RUNTIME);
        library("usr/local/cuda-12.9/lib64", CudaLibrary.RUNTIME);
        Path distribution = library("usr/lib/x86_64-linux-gnu", CudaLibrary.DRIVER);
        Path python =
                library(
                        "home/me/venv/lib/python3.11/site-packages/nvidia/cu13/lib",
                        CudaLibrary.CUBLAS);
        Path nccl =
                library(
                        "home/me/venv/lib/python3.11/site-packages/nvidia/nccl/lib",
                        CudaLibrary.NCCL);
        LibrarySearch search =
                search(
                        List.of(named),
                        Map.of("VIRTUAL_ENV", root.resolve("home/me/venv").toString()));
        assertEquals(
                List.of(named, toolkit, newer, older, distribution, python, nccl),
                search.folders().stream().filter(LibrarySearchTest::hasLibrary).toList());
        assertEquals(
                Optional.of(toolkit.resolve("libcudart.so.13")), search.find(CudaLibrary.RUNTIME));
        assertEquals(Optional.of(nccl.resolve("libnccl.so.2")), search.find(CudaLibrary.NCCL));
        assertEquals(Optional.empty(), search.find(CudaLibrary.CUBLAS_LT));
    }

    @Test
    void foldersOfTheLoadersConfigurationAreSearched() throws IOException {
        Path direct = library("opt/one", CudaLibrary.NCCL);
        Path included = library("usr/lib/wsl/lib", CudaLibrary.DRIVER);
        Files.createDirectories(root.resolve("etc/ld.so.conf.d"));
        Files.writeString(
                root.resolve("etc/ld.so.conf"),
                "# comment\n/opt/one\ninclude /etc/ld.so.conf.d/*.conf\n");
        Files.writeString(
                root.resolve("etc/ld.so.conf.d/wsl.conf"),
                "/usr/lib/wsl/lib # the driver\ninclude /etc/ld.so.conf\n");
        LibrarySearch search = search(List.of(), Map.of());
        assertEquals(Optional.of(direct.resolve("libnccl.so.2")), search.find(CudaLibrary.NCCL));
        assertEquals(
                Optional.of(included.resolve("libcuda.so.1")), search.find(CudaLibrary.DRIVER));
    }

    @Test
    void pythonIsFoundByItsPathAndItsVersionManagerWithoutBeingStarted() throws IOException {
        Path beside =
                library("opt/py/lib/python3.12/site-packages/nvidia/cu13/lib", CudaLibrary.NVRTC);
        Files.createDirectories(root.resolve("opt/py/bin"));
        Files.writeString(root.resolve("opt/py/bin/python3"), "");
        Path managed =
                library(
                        "home/me/.pyenv/versions/3.11.4/lib/python3.11/site-packages/nvidia/nccl/lib",
                        CudaLibrary.NCCL);
        LibrarySearch search =
                search(
                        List.of(),
                        Map.of(
                                "PATH",
                                root.resolve("opt/py/bin").toString(),
                                "HOME",
                                root.resolve("home/me").toString()));
        assertEquals(Optional.of(beside.resolve("libnvrtc.so.13")), search.find(CudaLibrary.NVRTC));
        assertEquals(Optional.of(managed.resolve("libnccl.so.2")), search.find(CudaLibrary.NCCL));
    }

    @Test
    void foldersOfStandInsAreNeverUsed() throws IOException {
        library("usr/local/cuda/lib64/stubs", CudaLibrary.DRIVER);
        LibrarySearch search =
                search(
                        List.of(),
                        Map.of(
                                "LD_LIBRARY_PATH",
                                root.resolve("usr/local/cuda/lib64/stubs").toString()));
        assertEquals(Optional.empty(), search.find(CudaLibrary.DRIVER));
        CudaUnavailableException refused =
                assertThrows(
                        CudaUnavailableException.class,
                        () ->
                                LibrarySearch.only(
                                        List.of(root.resolve("usr/local/cuda/lib64/stubs"))));
        assertTrue(refused.toString().contains("--cuda-libraries names"), refused.getMessage());
        assertThrows(
                CudaUnavailableException.class,
                () -> LibrarySearch.only(List.of(root.resolve("absent"))));
    }

    @Test
    void aMissingLibraryIsToldWithTheFoldersAndTheRemedyInOneLine() throws IOException {
        Path one = library("one", CudaLibrary.RUNTIME);
        Path two = library("two", CudaLibrary.RUNTIME);
        CudaUnavailableException missing =
                assertThrows(
                        CudaUnavailableException.class,
                        () -> LibrarySearch.only(List.of(one, two)).require(CudaLibrary.CUBLAS));
        assertEquals(
                "libcublas.so.13 was not found in %s, %s: install the CUDA 13 toolkit or the Python package nvidia-cublas, or name the folder that has it with --cuda-libraries"
                        .formatted(one, two),
                missing.getMessage());
    }

    private LibrarySearch search(List<Path> named, Map<String, String> environment) {
        return LibrarySearch.of(named, new LibrarySearch.HostFolders(root, environment).all());
    }

    private Path library(String folder, CudaLibrary library) throws IOException {
        Path path = Files.createDirectories(root.resolve(folder));
        Files.writeString(path.resolve(library.soname()), "");
        return path;
    }

    private static boolean hasLibrary(Path folder) {
        return List.of(CudaLibrary.values()).stream()
                .anyMatch(library -> Files.exists(folder.resolve(library.soname())));
    }
}
