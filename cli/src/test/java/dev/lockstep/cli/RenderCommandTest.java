// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.SettingsException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

class RenderCommandTest {
    private static final String TOKENS = "--bos-token=<s>";
    private static final String END = "--eos-token=</s>";
    private static final String NOW = "--now=2026-01-15T12:00:00";

    @TempDir Path folder;

    @TestFactory
    Stream<DynamicTest> everyPublishedTemplateRendersAsRecorded() throws IOException {
        Path templates = Fixtures.require("chat-templates");
        JsonNode conversations = json(templates.resolve("conversations.json"));
        List<Path> files;
        try (Stream<Path> all = Files.list(templates)) {
            files = all.filter(file -> file.toString().endsWith(".jinja")).sorted().toList();
        }
        return files.stream()
                .map(
                        file ->
                                DynamicTest.dynamicTest(
                                        file.getFileName().toString(),
                                        () -> check(file, conversations)));
    }

    private static void check(Path file, JsonNode conversations) throws Exception {
        String golden = file.getFileName().toString().replace(".jinja", ".golden.json");
        JsonNode recorded = json(file.resolveSibling(golden));
        List<String> names = new ArrayList<>();
        List<String> lines = new ArrayList<>();
        for (Map.Entry<String, JsonNode> each : conversations.properties()) {
            names.add(each.getKey());
            lines.add(JsonLines.JSON.writeValueAsString(each.getValue()));
        }
        List<ObjectNode> results = render(lines, "--template=" + file, TOKENS, END, NOW);
        for (int i = 0; i < names.size(); i++) {
            JsonNode expected = recorded.get(names.get(i));
            if (expected.has("text")) {
                assertEquals(expected.get("text"), results.get(i).get("text"), names.get(i));
            } else {
                assertTrue(results.get(i).path("error").isTextual(), names.get(i));
            }
        }
    }

    @Test
    void requestFieldsBecomeVariablesAndUserTextIsNotRendered() throws Exception {
        String template =
                "{{ bos_token }}{% for m in messages %}{{ m.content }};{% endfor %}"
                        + "{% if tools is defined %}tools{% endif %}{{ mode }}{{ deep }}"
                        + "{% if add_generation_prompt %}>{% endif %}{{ strftime_now('%d %b %Y') }}";
        String messages = "\"messages\":[{\"role\":\"user\",\"content\":\"{{ 1 }} é\"}]";
        List<ObjectNode> results =
                render(
                        List.of(
                                "{" + messages + "}",
                                "{" + messages + ",\"tools\":null,\"add_generation_prompt\":false}",
                                "{" + messages + ",\"tools\":[],\"mode\":\"m\"}",
                                "{" + messages + ",\"chat_template_kwargs\":{\"deep\":\"d\"}}"),
                        "--template=" + file(template),
                        TOKENS,
                        NOW);
        assertEquals(
                List.of(
                        "<s>{{ 1 }} é;>15 Jan 2026",
                        "<s>{{ 1 }} é;15 Jan 2026",
                        "<s>{{ 1 }} é;toolsm>15 Jan 2026",
                        "<s>{{ 1 }} é;d>15 Jan 2026"),
                results.stream().map(result -> result.path("text").asText()).toList());
    }

    @Test
    void argumentsOfAToolCallMayBeJsonText() throws Exception {
        String call = "{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}}";
        List<ObjectNode> results =
                render(
                        List.of("{\"messages\":[{\"tool_calls\":[" + call + "]}]}"),
                        "--template="
                                + file("{{ messages[0].tool_calls[0].function.arguments.a + 1 }}"));
        assertEquals("2", results.getFirst().path("text").asText());
    }

    @Test
    void aRequestThatCannotBeRenderedIsAnErrorInItsLine() throws Exception {
        Path refusing = file("\n{{ raise_exception('not so') }}");
        List<ObjectNode> results =
                render(
                        List.of(
                                "{\"messages\":[{\"content\":\"a\"}]}",
                                "{\"messages\":[]}",
                                "{}",
                                "{\"messages\":[1]}",
                                "nonsense"),
                        "--template=" + refusing);
        List<String> errors = results.stream().map(each -> each.path("error").asText()).toList();
        assertEquals("template line 2: not so", errors.get(0));
        assertEquals("messages is empty, must hold at least one message", errors.get(1));
        assertEquals("messages is missing", errors.get(2));
        assertEquals("messages[0] is not an object", errors.get(3));
        assertTrue(errors.get(4).startsWith("not JSON: "), errors.get(4));
    }

    @Test
    void aModelProvidesItsTemplateAndTokens() throws Exception {
        Path model = Fixtures.require("gguf/llama-Q8_0.gguf");
        String line = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
        assertEquals(
                render(List.of(line), "--model=" + Fixtures.require("models/llama")),
                render(List.of(line), "--model=" + model));
    }

    @Test
    void wrongSettingsAreRefusedByName() throws Exception {
        Path template = file("a");
        assertRefused(
                "give --template or --model, not both", "--template=" + template, "--model=a");
        assertRefused(
                "--now: \"noon\" is not a time such as 2026-01-15T12:00:00",
                "--template=" + template,
                "--now=noon");
        Path broken = file("{% if %}");
        UnusableException failure =
                assertThrows(
                        UnusableException.class, () -> render(List.of(), "--template=" + broken));
        assertTrue(
                String.valueOf(failure.getMessage()).startsWith(broken + ": template line 1: "),
                failure.getMessage());
    }

    private static void assertRefused(String message, String... arguments) {
        SettingsException refused =
                assertThrows(SettingsException.class, () -> render(List.of(), arguments));
        assertEquals(message, refused.getMessage());
    }

    private Path file(String template) throws IOException {
        return Files.writeString(Files.createTempFile(folder, "t", ".jinja"), template);
    }

    private static JsonNode json(Path file) throws IOException {
        return JsonLines.JSON.readTree(file.toFile());
    }

    private static List<ObjectNode> render(List<String> lines, String... arguments)
            throws Exception {
        String input = String.join("\n", lines);
        var out = new ByteArrayOutputStream();
        new RenderCommand()
                .run(
                        List.of(arguments),
                        new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
                        new PrintStream(out, true, StandardCharsets.UTF_8));
        List<ObjectNode> results =
                out.toString(StandardCharsets.UTF_8).lines().map(JsonLines::object).toList();
        assertEquals(lines.size(), results.size());
        return results;
    }
}
