// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// A JVM of its own, for what a process can do once only.
///
/// @param code its exit status
/// @param output what it printed to both streams
record ForkedJava(int code, String output) {

    /// Runs `main` to its end, with the JVM's `options`.
    static ForkedJava run(
            Class<?> main,
            Map<String, String> environment,
            List<String> options,
            String... arguments)
            throws IOException, InterruptedException {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx128m",
                        // The output has what the process prints and no remark of the logger.
                        "-Dlog4j2.statusLoggerLevel=OFF"));
        command.addAll(options);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        var output = new String(process.getInputStream().readAllBytes(), UTF_8);
        return new ForkedJava(process.waitFor(), output);
    }
}
