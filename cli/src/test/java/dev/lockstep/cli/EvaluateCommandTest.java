// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.process.SettingsException;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EvaluateCommandTest {
    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--text=t | name one model, or two: each a folder, a .gguf file, a known name or a hub's org/name",
                "a b c --text=t | name one model, or two: each a folder, a .gguf file, a known name or a hub's org/name",
                "a | --text is missing: name a file with the text to predict",
                "a --text=t --layers | --layers compares with OTHER, which is missing",
                "a --text=t --context=7 | --context: 7 is outside [8, 65536]",
                "a --text=t --windows=0 | --windows: 0 is outside [1, 16777216]",
            })
    void whatCannotBeEvaluatedIsRefused(String arguments, String expected) {
        assertEquals(
                expected,
                assertThrows(
                                SettingsException.class,
                                () -> new EvaluateCommand().run(List.of(arguments.split(" ", -1))))
                        .getMessage());
    }

    @Test
    void twoModelsAreComparedByLayerAsTableAndAsJson() throws Exception {
        Path model = folder.resolve("model");
        TinyCheckpoint.write(model, 1);
        Path other = folder.resolve("other");
        TinyCheckpoint.write(other, 2);
        Path text =
                Files.writeString(
                        folder.resolve("text"), "a rank that stood still wakes up ".repeat(30));
        JsonNode json = new ObjectMapper().readTree(run(model, other, text, "--json"));
        assertTrue(json.at("/kl_divergence/mean").asDouble() > 0, json::toString);
        assertEquals(TinyCheckpoint.LAYERS, json.path("layer_input_error").size());
        String table = run(model, other, text);
        assertTrue(table.contains("perplexity") && table.contains("layer   1"), table);
    }

    private static String run(Path model, Path other, Path text, String... further)
            throws Exception {
        var printed = new ByteArrayOutputStream();
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                model.toString(),
                                other.toString(),
                                "--text=" + text,
                                "--context=32",
                                "--windows=2",
                                "--layers",
                                "--threads=1"));
        arguments.addAll(List.of(further));
        new EvaluateCommand(new PrintStream(printed, true, UTF_8)).run(arguments);
        return printed.toString(UTF_8);
    }
}
