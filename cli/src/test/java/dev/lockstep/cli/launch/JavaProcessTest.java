// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class JavaProcessTest {
    private static final Path ENVIRONMENT = Path.of("../scripts/environment");

    /// A process that a script starts has the same flags as one that a launcher starts.
    @ParameterizedTest
    @EnumSource
    void scriptsAndLauncherStartAProcessWithTheSameFlags(JavaProcess.Role role) throws Exception {
        List<String> launched =
                JavaProcess.command(role, "a", Path.of("run"), Optional.empty(), List.of());
        assertEquals(
                flags(launched),
                flags(
                        scripted(
                                switch (role) {
                                    case COORDINATOR -> List.of("coordinator");
                                    case SCHEDULER -> List.of("scheduler");
                                    case WORKER -> List.of("worker");
                                    case VECTOR_WORKER ->
                                            List.of("worker", "--instruction-set=vector_api");
                                },
                                role != JavaProcess.Role.WORKER)));
    }

    @Test
    void aScriptStartsAWorkerOfJavaKernelsHoweverTheyAreRequested() throws Exception {
        Set<String> launched =
                flags(
                        JavaProcess.command(
                                JavaProcess.Role.VECTOR_WORKER,
                                "a",
                                Path.of("run"),
                                Optional.empty(),
                                List.of()));
        List<String> twoWords = List.of("worker", "--instruction-set", "vector_api", "--rank=0");
        assertEquals(launched, flags(scripted(twoWords, Map.of(), true)));
        Map<String, String> variable = Map.of("LOCKSTEP_INSTRUCTION_SET", "vector_api");
        assertEquals(launched, flags(scripted(List.of("worker"), variable, true)));
    }

    private static List<String> scripted(List<String> arguments, boolean real) throws Exception {
        return scripted(arguments, Map.of(), real);
    }

    /// @param real whether this machine and this build decide which kernels a worker has
    private static List<String> scripted(
            List<String> arguments, Map<String, String> variables, boolean real) throws Exception {
        String script =
                ". \"$1\"; "
                        + (real ? "" : "has_native_kernels() { true; }; ")
                        + "java_command \"${@:2}\"; printf '%s\\n' \"${JAVA[@]}\"";
        var command = new ArrayList<>(List.of("bash", "-euc", script, "bash", ENVIRONMENT + ""));
        command.addAll(arguments);
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().putAll(variables);
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
