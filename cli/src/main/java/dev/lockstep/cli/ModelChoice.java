package dev.lockstep.cli;

import dev.lockstep.cluster.SettingsException;
import java.nio.file.Files;
import java.nio.file.Path;

/// What `--model` means: a path on disk and the name requests use.
record ModelChoice(Path path, String name) {

    /// A folder or file as it is, or a known name, fetched when it is not there yet.
    static ModelChoice resolve(String model, ModelCache cache) throws InterruptedException {
        Path path = Path.of(model);
        if (Files.exists(path)) {
            return new ModelChoice(path.toAbsolutePath().normalize(), nameOf(path));
        }
        KnownModel known =
                KnownModel.find(model)
                        .orElseThrow(
                                () ->
                                        new SettingsException(
                                                "--model: %s is neither a folder nor a file nor a known name; known are %s"
                                                        .formatted(model, KnownModel.names())));
        return new ModelChoice(cache.fetch(known), known.name());
    }

    private static String nameOf(Path path) {
        String name = path.toAbsolutePath().normalize().getFileName().toString();
        return name.endsWith(".gguf") ? name.substring(0, name.length() - ".gguf".length()) : name;
    }
}
