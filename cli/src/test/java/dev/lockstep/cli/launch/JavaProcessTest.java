// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class JavaProcessTest {
    private static final Path ENVIRONMENT = Path.of("../scripts/environment");

    /// A process that a script starts has the same flags as one that a launcher starts.
    @ParameterizedTest
    @EnumSource
    void scriptsAndLauncherStartAProcessWithTheSameFlags(JavaProcess.Role role) throws Exception {
        String name = role.name().toLowerCase(Locale.ROOT);
        List<String> launched =
                JavaProcess.command(role, name, Path.of("run"), Optional.empty(), List.of());
        assertEquals(flags(launched), flags(scripted(name)));
    }

    private static List<String> scripted(String command) throws Exception {
        String script = ". \"$1\" && java_command \"$2\" && printf '%s\\n' \"${JAVA[@]}\"";
        ProcessBuilder builder =
                new ProcessBuilder("bash", "-euc", script, "bash", ENVIRONMENT + "", command)
                        .redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        Process bash = builder.start();
        bash.getOutputStream().close();
        List<String> words = bash.inputReader().lines().toList();
        assertEquals(0, bash.waitFor());
        return words;
    }

    /// Returns the JVM flags, without the start-up cache, which may not exist.
    private static Set<String> flags(List<String> command) {
        return command.stream()
                .filter(word -> word.startsWith("-X") || word.startsWith("--"))
                .filter(word -> !word.startsWith("-XX:AOTCache="))
                .collect(Collectors.toSet());
    }
}
