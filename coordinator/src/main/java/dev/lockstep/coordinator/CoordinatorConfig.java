// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/// The settings of one coordinator, read once at its start.
///
/// @param model the path of its tokenizer and chat template
/// @param servedModelNames the names of the model in requests; groups that serve another model than
///   the first are not used
/// @param keepAlive how long a connection without a request stays open
/// @param resumeWindow how long a request goes on whose client has left and may come back; zero is
///   off
/// @param journalFolder where accepted requests are written; empty for nowhere
/// @param drainTimeout how long running requests may continue after SIGTERM
public record CoordinatorConfig(
        String zookeeper,
        String cluster,
        AccessConfig access,
        int port,
        Path model,
        List<String> servedModelNames,
        TextSettings text,
        int maxBodyBytes,
        ResponseBounds responses,
        Duration keepAlive,
        Duration drainTimeout,
        Duration resumeWindow,
        Optional<Duration> drainGrace,
        Optional<Path> journalFolder,
        boolean parentPipe,
        String failpoints) {

    public static final Key<Integer> PORT =
            Key.integer("port", 0, 65535, "the port for clients; 0 selects a free one")
                    .orElse("8000");

    /// Limits memory: whole bodies are held, several at a time. 8 MiB is a prompt of about two
    /// million tokens as text, or of one million as ids.
    public static final Key<Long> MAX_BODY =
            Key.bytes("max-body", 1 << 10, "the largest request body that is read").orElse("8M");

    /// Longer than the 60 s for which common proxies keep their connections: they must close first,
    /// because a request that is sent while the server closes is lost.
    public static final Key<Duration> KEEP_ALIVE =
            Key.duration(
                            "keep-alive",
                            Duration.ofSeconds(1),
                            Duration.ofHours(24),
                            "how long a client's connection without a request stays open")
                    .orElse("75s");

    private static final int MAX_BODY_BYTES = 1 << 28;

    public static final SettingsSpec SPEC =
            SettingsSpec.of(
                            ProcessKeys.ZOOKEEPER,
                            ProcessKeys.CLUSTER,
                            ProcessKeys.HOST,
                            PORT,
                            ProcessKeys.ADMIN_PORT,
                            ProcessKeys.RUN_FOLDER,
                            ProcessKeys.MODEL,
                            ProcessKeys.SERVED_MODEL_NAME,
                            ProcessKeys.CHAT_TEMPLATE,
                            TextSettings.TOOL_FORMAT,
                            TextSettings.RERANKER,
                            TextSettings.REASONING,
                            ProcessKeys.GENERATION_CONFIG,
                            MAX_BODY,
                            KEEP_ALIVE,
                            ProcessKeys.DRAIN_TIMEOUT,
                            ProcessKeys.RESUME_WINDOW,
                            ProcessKeys.DRAIN_GRACE,
                            DurabilitySettings.DURABILITY,
                            DurabilitySettings.FOLDER,
                            ProcessKeys.PARENT_PIPE,
                            ProcessKeys.CLUSTER_SECRET_FILE,
                            ProcessKeys.TLS_FOLDER,
                            ProcessKeys.ZOOKEEPER_AUTH,
                            ProcessKeys.FAILPOINTS)
                    .and(ResponseBounds.KEYS.toArray(Key<?>[]::new))
                    .and(AccessConfig.KEYS.toArray(Key<?>[]::new));

    /// Reads the settings of a coordinator.
    ///
    /// @param model the path of `--model` on disk
    /// @param modelName the default of the served name
    public static CoordinatorConfig of(Settings settings, Path model, String modelName) {
        return new CoordinatorConfig(
                settings.value(ProcessKeys.ZOOKEEPER),
                settings.value(ProcessKeys.CLUSTER),
                AccessConfig.of(settings),
                settings.value(PORT),
                model,
                settings.find(ProcessKeys.SERVED_MODEL_NAME).orElse(List.of(modelName)),
                TextSettings.of(settings).requireToolFormat(),
                bodyBytes(settings.value(MAX_BODY)),
                ResponseBounds.of(settings),
                settings.value(KEEP_ALIVE),
                settings.value(ProcessKeys.DRAIN_TIMEOUT),
                settings.value(ProcessKeys.RESUME_WINDOW),
                settings.find(ProcessKeys.DRAIN_GRACE),
                DurabilitySettings.journalFolder(settings, System.getenv()),
                settings.value(ProcessKeys.PARENT_PIPE),
                settings.value(ProcessKeys.FAILPOINTS));
    }

    /// Returns the size as an int, because a body is one array.
    private static int bodyBytes(long bytes) {
        if (bytes > MAX_BODY_BYTES) {
            throw new SettingsException(
                    "--max-body: "
                            + bytes
                            + " bytes are more than the "
                            + MAX_BODY_BYTES
                            + " possible");
        }
        return (int) bytes;
    }
}
