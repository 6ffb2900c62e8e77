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

/// One JSON object a line in, one out, for commands that others pipe through.
final class JsonLines {
    static final ObjectMapper JSON = new ObjectMapper();

    /// Answers one line.
    interface Step {
        ObjectNode answer(String line);
    }

    private JsonLines() {}

    /// Answers line by line until the input ends; blank lines are passed over. What a step throws
    /// as a user's mistake ends the run, naming the line.
    static void run(InputStream in, PrintStream out, Step step) throws IOException {
        var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        long number = 0;
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            try {
                write(step.answer(line), out);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        "line %d of standard input: %s".formatted(number, e.getMessage()), e);
            }
        }
    }

    /// The object that a line holds.
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

    private static void write(ObjectNode answer, PrintStream out) throws IOException {
        byte[] line = (JSON.writeValueAsString(answer) + "\n").getBytes(StandardCharsets.UTF_8);
        out.write(line);
        out.flush();
    }
}
