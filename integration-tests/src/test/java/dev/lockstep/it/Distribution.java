package dev.lockstep.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// The build under test, run as `scripts/lockstep` runs it but for looking whether it is up to
/// date.
final class Distribution {
    private static final Path HOME = home();
    private static final Map<String, List<String>> JAVA = new ConcurrentHashMap<>();

    private Distribution() {}

    private static Path home() {
        String given = System.getProperty("lockstep.home", "");
        Path home = given.isEmpty() ? Path.of("..") : Path.of(given);
        return home.toAbsolutePath().normalize();
    }

    /// A command line of ours.
    static List<String> command(String name, List<String> arguments) {
        List<String> command =
                new ArrayList<>(JAVA.computeIfAbsent(name, Distribution::javaCommand));
        command.add(name);
        command.addAll(arguments);
        return command;
    }

    /// Asks the scripts, so that what a JVM of ours needs is said in one place.
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
                throw new IllegalStateException(environment + " gives no command line");
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
