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

/// What `--model` means: a path on disk and the name requests use.
public record ModelChoice(Path path, String name) {

    /// What a process is told, downloaded into the user's caches when it is not there yet.
    public static ModelChoice of(Settings settings, Terminal terminal) throws InterruptedException {
        return ofUser("--model", settings.value(ProcessKeys.MODEL), terminal);
    }

    /// As [#of].
    ///
    /// @param key what the user calls it
    public static ModelChoice ofUser(String key, String model, Terminal terminal)
            throws InterruptedException {
        Map<String, String> environment = System.getenv();
        return resolve(
                key,
                model,
                ModelCache.ofUser(environment, terminal),
                () -> new Hub(HubConfig.of(environment), terminal));
    }

    /// A folder or file as it is, a known name, or a hub's model: the first of these that it is.
    ///
    /// @param hub asked for last: what is on disk needs no settings of one
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
        return name.endsWith(".gguf") ? name.substring(0, name.length() - ".gguf".length()) : name;
    }
}
