// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.text.jinja.TemplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// Published templates render exactly the recorded text, and fail where the record has a failure.
final class ChatTemplateFixturesTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Clock CLOCK =
            Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneOffset.UTC);

    private record Conversation(
            List<Map<String, @Nullable Object>> messages,
            boolean add_generation_prompt,
            @Nullable List<@Nullable Object> tools) {
        ChatVariables variables() {
            ChatVariables variables = ChatVariables.of(messages, add_generation_prompt);
            return tools == null ? variables : variables.withTools(tools);
        }
    }

    private record Recorded(@Nullable String text, @Nullable String error) {}

    @TestFactory
    Stream<DynamicTest> everyPublishedTemplateRendersAsRecorded() throws IOException {
        Path folder = Fixtures.require("chat-templates");
        Map<String, Conversation> conversations =
                JSON.readValue(
                        folder.resolve("conversations.json").toFile(), new TypeReference<>() {});
        List<Path> templates;
        try (Stream<Path> files = Files.list(folder)) {
            templates = files.filter(file -> file.toString().endsWith(".jinja")).sorted().toList();
        }
        assertEquals(46, templates.size());
        return templates.stream()
                .map(
                        file ->
                                DynamicTest.dynamicTest(
                                        file.getFileName().toString(),
                                        () -> check(file, conversations)));
    }

    /// Those without a form fail on tool calls, or would leave them out.
    @Test
    void publishedTemplatesRenderToolCallsWithoutTools() throws IOException {
        Path folder = Fixtures.require("chat-templates");
        Map<String, Conversation> conversations =
                JSON.readValue(
                        folder.resolve("conversations.json").toFile(), new TypeReference<>() {});
        Conversation calling = Objects.requireNonNull(conversations.get("toolcall"));
        ChatVariables history = ChatVariables.of(calling.messages(), true);
        Set<String> without = new TreeSet<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(each -> each.toString().endsWith(".jinja")).toList()) {
                String name = file.getFileName().toString().replace(".jinja", "");
                ChatTemplate template = ChatTemplate.parse(Files.readString(file), "<s>", "</s>");
                Optional<ToolCallForm> form = ToolCallForm.of(template, CLOCK);
                if (form.isEmpty()) {
                    without.add(name);
                    continue;
                }
                String prompt = template.render(form.get().apply(history), CLOCK);
                assertTrue(prompt.contains("get_weather"), name);
                assertTrue(prompt.contains("Oslo"), name);
                assertTrue(prompt.contains("temp"), name);
                assertFalse(prompt.contains("None"), name);
            }
        }
        assertEquals(
                Set.of(
                        "Kimi-K2-Instruct",
                        "Kimi-K2-Thinking",
                        "LFM2-8B-A1B",
                        "fireworks-ai-llama-3-firefunction-v2",
                        "llama-cpp-rwkv-world",
                        "microsoft-Phi-3.5-mini-instruct"),
                without);
    }

    private static void check(Path file, Map<String, Conversation> conversations)
            throws IOException {
        ChatTemplate template = ChatTemplate.parse(Files.readString(file), "<s>", "</s>");
        Path golden =
                file.resolveSibling(
                        file.getFileName().toString().replace(".jinja", ".golden.json"));
        Map<String, Recorded> recorded =
                JSON.readValue(
                        golden.toFile(), new TypeReference<LinkedHashMap<String, Recorded>>() {});
        assertEquals(conversations.keySet(), recorded.keySet());
        recorded.forEach(
                (name, expected) -> {
                    ChatVariables variables =
                            Objects.requireNonNull(conversations.get(name)).variables();
                    if (expected.error() == null) {
                        assertEquals(expected.text(), template.render(variables, CLOCK), name);
                    } else {
                        TemplateException failure =
                                assertThrows(
                                        TemplateException.class,
                                        () -> template.render(variables, CLOCK),
                                        name);
                        String type = expected.error().replaceFirst(": .*", ": ");
                        assertEquals(expected.error(), type + failure.reason(), name);
                    }
                });
    }
}
