// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Stream;

/// What a folder has besides `config.json` and weights: the tokenizer, the files of
/// sentence-transformers, and the folders that `modules.json` names.
record SideFiles(Path source, Path target) {

    /// Copies what the target does not have.
    void copy() {
        try (Stream<Path> files = Files.list(source)) {
            for (Path each : files.filter(Files::isRegularFile).toList()) {
                String name = String.valueOf(each.getFileName());
                Path copy = target.resolve(name);
                boolean aside = !name.equals("config.json") && !name.contains(".safetensors");
                if (aside && !Files.exists(copy)) {
                    Files.copy(each, copy);
                }
            }
            for (Path each :
                    SentenceModules.of(source).map(SentenceModules::folders).orElse(List.of())) {
                copyFolder(each);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void copyFolder(Path module) throws IOException {
        Path copy = Files.createDirectories(target.resolve(source.relativize(module)));
        try (Stream<Path> files = Files.list(module)) {
            for (Path each : files.filter(Files::isRegularFile).toList()) {
                Files.copy(
                        each,
                        copy.resolve(each.getFileName()),
                        StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }
}
