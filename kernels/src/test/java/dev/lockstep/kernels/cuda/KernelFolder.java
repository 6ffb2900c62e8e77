// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/// The folder of the CUDA sources in a checkout.
final class KernelFolder {
    static final Path PATH = Path.of("src/main/cuda");

    private KernelFolder() {}

    static KernelSource source(String file) {
        Map<String, String> headers = new TreeMap<>();
        files(".cuh").forEach(header -> headers.put(header, text(header)));
        return new KernelSource(file, text(file), headers);
    }

    /// Returns the names that end in `suffix`, sorted.
    static List<String> files(String suffix) {
        try (Stream<Path> files = Files.list(PATH)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(suffix))
                    .sorted()
                    .toList();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    private static String text(String file) {
        try {
            return Files.readString(PATH.resolve(file));
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }
}
