// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.lockstep.checkpoint.Fixtures;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// The clients of OpenAI, Anthropic and Ollama for Python, each in a process of its own, use the
/// server: the part of the client matrix that needs no large packages.
@Isolated("a real model uses all cores")
@ExtendWith(LogsOnFailure.class)
final class ClientsIT {
    private static final Path SCRIPTS = Path.of("../scripts").toAbsolutePath().normalize();

    /// The first run downloads packages; only a hang takes longer.
    private static final int MINUTES = 15;

    @Test
    void clientsInPythonUseTheServer() throws Exception {
        Sandbox sandbox = Sandbox.plain();
        Path output = sandbox.folder().resolve("clients");
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Fixtures.requireDefaultModel(),
                        "--chat-template=" + SCRIPTS.resolve("client-matrix/calls.jinja"))) {
            Process clients =
                    new ProcessBuilder(
                                    SCRIPTS.resolve("clients").toString(),
                                    "--url",
                                    "http://127.0.0.1:" + cluster.api().port() + "/v1",
                                    "openai_python",
                                    "with_anthropic",
                                    "with_ollama")
                            .redirectErrorStream(true)
                            .redirectOutput(output.toFile())
                            .start();
            try {
                assertTrue(clients.waitFor(MINUTES, TimeUnit.MINUTES));
            } finally {
                clients.destroy();
                clients.waitFor();
            }
            String printed = Files.readString(output);
            System.out.println(printed);
            assertEquals(0, clients.exitValue(), printed);
            assumeFalse(printed.contains("skipped"), printed);
        }
    }
}
