// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/// Reads one JSON object per line and writes one per line, for commands in pipelines.
final class JsonLines {
    static final ObjectMapper JSON = new ObjectMapper();

    /// Maps one line.
    interface Step {
        ObjectNode apply(String line);
    }

    private JsonLines() {}

    /// Maps line by line until the input ends; skips blank lines. An `IllegalArgumentException` of
    /// a step ends the run, with the line number in its message.
    static void run(InputStream in, PrintStream out, Step step) throws IOException {
        var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        long number = 0;
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            try {
                write(step.apply(line), out);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        "line %d of standard input: %s".formatted(number, e.getMessage()), e);
            }
        }
    }

    /// Parses a line as a JSON object.
    static ObjectNode object(String line) {
        try {
            JsonNode value = JSON.readTree(line);
            if (value instanceof ObjectNode object) {
                return object;
            }
            throw new IllegalArgumentException("a JSON object was expected");
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static void write(ObjectNode object, PrintStream out) throws IOException {
        byte[] line = (JSON.writeValueAsString(object) + "\n").getBytes(StandardCharsets.UTF_8);
        out.write(line);
        out.flush();
    }
}
