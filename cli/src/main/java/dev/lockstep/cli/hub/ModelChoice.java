// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/// The model that `--model` names: its path on disk and the name that requests use.
public record ModelChoice(Path path, String name) {

    /// Resolves `--model` of a process; downloads the model into the user's caches if it is absent.
    public static ModelChoice of(Settings settings, Terminal terminal) throws InterruptedException {
        return ofUser("--model", settings.value(ProcessKeys.MODEL), terminal);
    }

    /// Resolves a model like [#of].
    ///
    /// @param key the setting or argument that names it, for error messages
    public static ModelChoice ofUser(String key, String model, Terminal terminal)
            throws InterruptedException {
        Map<String, String> environment = System.getenv();
        return resolve(
                key,
                model,
                ModelCache.ofUser(environment, terminal),
                () -> new Hub(HubConfig.of(environment), terminal));
    }

    /// Resolves a model to the first that matches: a folder or file, a known name, a hub's model.
    ///
    /// @param hub called last: a model on disk needs no valid hub settings
    static ModelChoice resolve(String key, String model, ModelCache cache, Supplier<Hub> hub)
            throws InterruptedException {
        Path path = Path.of(model);
        if (Files.exists(path)) {
            return new ModelChoice(path.toAbsolutePath().normalize(), nameOf(path));
        }
        Optional<KnownModel> known = KnownModel.find(model);
        if (known.isPresent()) {
            return new ModelChoice(cache.fetch(known.get()), known.get().name());
        }
        HubName name =
                HubName.parse(model)
                        .orElseThrow(
                                () ->
                                        new SettingsException(
                                                "%s: %s is neither a folder nor a .gguf file, nor a known name (%s), nor a hub's model as org/name"
                                                        .formatted(
                                                                key, model, KnownModel.names())));
        return new ModelChoice(hub.get().fetch(name), name.repository());
    }

    private static String nameOf(Path path) {
        String name = path.toAbsolutePath().normalize().getFileName().toString();
        String plain =
                name.endsWith(".gguf") ? name.substring(0, name.length() - ".gguf".length()) : name;
        // A comma separates names of models.
        return plain.replace(',', '-');
    }
}
