// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// The build under test, run as by `scripts/lockstep`, but without the check whether it is up to
/// date.
final class Distribution {
    private static final Path HOME = home();
    private static final Map<String, List<String>> JAVA = new ConcurrentHashMap<>();

    private Distribution() {}

    private static Path home() {
        String configured = System.getProperty("lockstep.home", "");
        Path home = configured.isEmpty() ? Path.of("..") : Path.of(configured);
        return home.toAbsolutePath().normalize();
    }

    /// Returns the command line of a `lockstep` command.
    static List<String> command(String name, List<String> arguments) {
        List<String> command =
                new ArrayList<>(JAVA.computeIfAbsent(name, Distribution::javaCommand));
        command.add(name);
        command.addAll(arguments);
        return command;
    }

    /// Gets the command line from the scripts, so that the JVM options are defined in one place.
    private static List<String> javaCommand(String name) {
        Path environment = HOME.resolve("scripts/environment");
        String script =
                ". \"$1\" && find_jdk && java_command \"$2\" && printf '%s\\n' \"${JAVA[@]}\"";
        try {
            Process process =
                    new ProcessBuilder("bash", "-euc", script, "bash", environment.toString(), name)
                            .redirectError(ProcessBuilder.Redirect.INHERIT)
                            .start();
            process.getOutputStream().close();
            List<String> words = process.inputReader().lines().toList();
            if (process.waitFor() != 0) {
                throw new IllegalStateException(environment + " returns no command line");
            }
            requireBuilt();
            return words;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot run bash with " + environment, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    private static void requireBuilt() {
        Path libraries = HOME.resolve("cli/target/lib");
        if (!Files.isDirectory(libraries)) {
            throw new IllegalStateException(
                    libraries + " is missing: build with mvn package, or set -Dlockstep.home");
        }
    }
}
