// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cli.launch.Launcher;
import dev.lockstep.cli.launch.LauncherConfig;
import dev.lockstep.cli.launch.LauncherStart;
import dev.lockstep.client.CompletionRequest;
import dev.lockstep.client.LockstepClient;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.cluster.process.StopReason;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Runs a small cluster with a random model once, so that each child process writes a cache of the
/// classes that its start loads and of the methods that its steps need. The build calls it.
final class TrainStartUpCommand extends Command {
    private static final SettingsSpec SPEC = LauncherConfig.SPEC.takingArguments("FOLDER");
    private static final int ROUNDS = 30;
    private static final int CLIENTS = 16;

    TrainStartUpCommand() {
        super("train-start-up", "FOLDER", "write the start-up caches (the build does this)", SPEC);
    }

    @Override
    int run(List<String> arguments) throws IOException, InterruptedException {
        // A build has no use for a GPU, nor for the weights of a random model.
        List<String> onCpus = new ArrayList<>(List.of("--device=cpu", "--packed-cache=off"));
        onCpus.addAll(arguments);
        Settings settings = settings(onCpus);
        if (settings.arguments().size() != 1) {
            throw new SettingsException("name one folder: lockstep train-start-up FOLDER");
        }
        Path folder = Path.of(settings.arguments().getFirst()).toAbsolutePath();
        LauncherStart start = LauncherStart.ofTraining(settings, Duration.ofSeconds(60));
        Path model = Files.createDirectories(start.runFolder().resolve("tiny"));
        TinyCheckpoint.write(model, 1);
        Launcher launcher = start.launcher(new ModelChoice(model, "tiny"), 0, Optional.of(folder));
        StopReason reason = StopReason.FINISHED;
        try {
            sendRequests(launcher, launcher.start());
            // A drain lets every JVM exit normally, which writes its cache.
            reason = StopReason.TERMINATED;
        } finally {
            launcher.close(reason);
        }
        return ExitCode.OK;
    }

    /// Sends requests over gRPC and HTTP, so that both load their classes, and then so many streams
    /// that the cache knows which methods of a step are hot: without, their code is interpreted for
    /// the first seconds of a cluster under load.
    private static void sendRequests(Launcher launcher, Launcher.Ready ready)
            throws IOException, InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient();
                LockstepClient client = launcher.client(ready, Duration.ofSeconds(60))) {
            client.generate(CompletionRequest.user("tiny", "Hello").withMaxTokens(16));
            HttpRequest chat = chat(launcher, ready);
            for (int round = 0; round < ROUNDS; round++) {
                stream(http, chat, round % 2 == 0 ? 1 : CLIENTS);
            }
        }
    }

    private static HttpRequest chat(Launcher launcher, Launcher.Ready ready) {
        String body =
                """
                {"model": "tiny", "stream": true, "max_tokens": 400, "ignore_eos": true,
                 "messages": [{"role": "user", "content": "Hello"}]}
                """;
        HttpRequest.Builder request =
                HttpRequest.newBuilder(
                                URI.create(
                                        "http://%s:%d/v1/chat/completions"
                                                .formatted(ready.host(), ready.port())))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body));
        launcher.apiKey().ifPresent(key -> request.header("Authorization", "Bearer " + key));
        return request.build();
    }

    /// Sends the request that many times at once, and waits for all responses.
    private static void stream(HttpClient http, HttpRequest request, int clients) {
        Stream.generate(() -> http.sendAsync(request, HttpResponse.BodyHandlers.ofString()))
                .limit(clients)
                .toList()
                .forEach(
                        pending -> {
                            HttpResponse<String> response = pending.join();
                            if (response.statusCode() != 200) {
                                throw new UnusableException(
                                        "a training request failed: " + response.body());
                            }
                        });
    }
}
