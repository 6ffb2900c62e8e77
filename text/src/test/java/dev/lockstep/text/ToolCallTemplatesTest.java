// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.text.jinja.TemplateException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/// Conversations with tool calls and their results in the history render as transformers renders
/// them. `src/test/python/record_tool_calls.py` records texts and digests.
final class ToolCallTemplatesTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Clock CLOCK =
            Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneOffset.UTC);

    private final JsonNode recorded = JSON.readTree(resource("golden.json"));

    ToolCallTemplatesTest() throws IOException {}

    @Test
    void ourTemplateRendersTheRecordedTexts() throws IOException {
        ChatTemplate template =
                ChatTemplate.parse(
                        new String(resource("template.jinja"), StandardCharsets.UTF_8),
                        "<s>",
                        "</s>");
        for (Map.Entry<String, JsonNode> text : recorded.get("texts").properties()) {
            assertEquals(
                    text.getValue().textValue(), render(template, text.getKey()), text.getKey());
        }
        assertEquals(recorded.get("conversations").size(), recorded.get("texts").size());
    }

    @Test
    void publishedTemplatesRenderTheRecordedTexts() throws IOException {
        Path folder = Fixtures.require("chat-templates");
        List<String> different = new ArrayList<>();
        for (Map.Entry<String, JsonNode> file : recorded.get("digests").properties()) {
            ChatTemplate template =
                    ChatTemplate.parse(
                            Files.readString(folder.resolve(file.getKey())), "<s>", "</s>");
            for (Map.Entry<String, JsonNode> digest : file.getValue().properties()) {
                String actual = digest(template, digest.getKey());
                if (!digest.getValue().textValue().equals(actual)) {
                    different.add(file.getKey() + " " + digest.getKey() + " " + actual);
                }
            }
        }
        assertTrue(different.isEmpty(), () -> String.join("\n", different));
        assertEquals(46, recorded.get("digests").size());
    }

    private String digest(ChatTemplate template, String conversation) {
        try {
            byte[] hash =
                    MessageDigest.getInstance("SHA-256")
                            .digest(
                                    render(template, conversation)
                                            .getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(hash, 0, 8);
        } catch (TemplateException refused) {
            return "error";
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private String render(ChatTemplate template, String name) {
        JsonNode conversation = recorded.get("conversations").get(name);
        List<Map<String, Object>> messages = new ArrayList<>();
        for (JsonNode message : conversation.get("messages")) {
            messages.add(plain(message));
        }
        ChatVariables variables = ChatVariables.of(messages, true);
        if (conversation.has("tools")) {
            List<Object> tools = new ArrayList<>();
            conversation.get("tools").forEach(tool -> tools.add(plain(tool)));
            variables = variables.withTools(tools);
        }
        return template.render(variables, CLOCK);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> plain(JsonNode object) {
        return JSON.convertValue(object, Map.class);
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream file =
                ToolCallTemplatesTest.class.getResourceAsStream("/references/tool-calls/" + name)) {
            return Objects.requireNonNull(file, name).readAllBytes();
        }
    }
}
