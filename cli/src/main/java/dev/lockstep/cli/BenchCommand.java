// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cli.hub.KnownModel;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.coordinator.ApiKeys;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;

/// Sends streamed completion requests to a running server and prints the times that the clients
/// measure.
final class BenchCommand extends Command {
    private static final String URL_OF_SERVE = "http://127.0.0.1:8000";

    private static final Key<String> URL =
            Key.text("url", "URL", "the server to load").orElse(URL_OF_SERVE);

    private static final Key<String> API_KEY =
            Key.secret(ApiKeys.API_KEY.name(), "KEY", "the key of the server, if it needs one");

    private static final Key<Integer> CONCURRENCY =
            Key.integer("concurrency", 1, 4096, "concurrent clients").orElse("4");

    private static final Key<Integer> RATE =
            Key.integer(
                            "rate",
                            0,
                            10_000,
                            "requests started per second, instead of concurrent clients")
                    .orElse("0");

    private static final Key<String> TENANT =
            Key.anyText("tenant", "NAME", "the tenant of the requests").orElse("");

    private static final Key<Integer> REQUESTS =
            Key.integer("requests", 1, 1_000_000, "number of requests").orElse("32");

    private static final Key<Integer> SHARED_LENGTH =
            Key.integer("shared-length", 0, 1 << 20, "tokens of a prefix that all prompts share")
                    .orElse("0");

    private static final Key<Integer> PROMPT_LENGTH =
            Key.integer(
                            "prompt-length",
                            1,
                            1 << 20,
                            "tokens of each prompt after the shared prefix, random ids")
                    .orElse("128");

    private static final Key<Integer> OUTPUT_LENGTH =
            Key.integer("output-length", 1, 1 << 20, "tokens of each completion").orElse("64");

    private static final Key<String> FIELDS =
            Key.anyText("fields", "JSON", "an object of fields that every request has, too")
                    .orElse("{}");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                            URL,
                            API_KEY,
                            ProcessKeys.SERVED_MODEL_NAME,
                            CONCURRENCY,
                            RATE,
                            TENANT,
                            REQUESTS,
                            SHARED_LENGTH,
                            PROMPT_LENGTH,
                            OUTPUT_LENGTH,
                            FIELDS)
                    .takingArguments("serve");

    BenchCommand() {
        super(
                "bench",
                "serve [--key=value …]",
                "bench serve: load a running server and measure",
                SPEC);
    }

    @Override
    int run(List<String> arguments) throws IOException, InterruptedException {
        Settings settings = settings(arguments);
        if (!settings.arguments().equals(List.of("serve"))) {
            throw new SettingsException("name the benchmark: lockstep bench serve");
        }
        var load =
                new ServeBench.Load(
                        settings.find(ProcessKeys.SERVED_MODEL_NAME)
                                .map(List::getFirst)
                                .orElse(KnownModel.ALL.getFirst().name()),
                        settings.value(TENANT),
                        settings.value(CONCURRENCY),
                        settings.value(RATE),
                        settings.value(REQUESTS),
                        settings.value(SHARED_LENGTH),
                        settings.value(PROMPT_LENGTH),
                        settings.value(OUTPUT_LENGTH),
                        fields(settings.value(FIELDS)));
        var bench = new ServeBench(url(settings.value(URL)), settings.find(API_KEY), load);
        System.out.print(bench.run().text(load));
        return ExitCode.OK;
    }

    private static ObjectNode fields(String text) {
        try {
            return JsonLines.object(text);
        } catch (IllegalArgumentException e) {
            throw new SettingsException("--fields: " + e.getMessage());
        }
    }

    private static URI url(String text) {
        try {
            var url = new URI(text);
            boolean known = "http".equals(url.getScheme()) || "https".equals(url.getScheme());
            if (known && url.getHost() != null) {
                return url;
            }
        } catch (URISyntaxException e) {
            // Refused below, like a URL without a scheme.
        }
        throw new SettingsException(
                "--url: \"%s\" is not a URL such as %s".formatted(text, URL_OF_SERVE));
    }
}
