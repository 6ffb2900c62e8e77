// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The variables that one conversation passes to its [ChatTemplate].
///
/// Messages, tools and documents are plain JSON values: text, numbers, booleans, null, lists and
/// ordered maps. `arguments` of a tool call is a map: parse the JSON string that a client sends
/// first. A variable that is not added is undefined in the template, which differs from null: some
/// templates fail if `tools` is null.
public record ChatVariables(
        List<? extends Map<String, ? extends @Nullable Object>> messages,
        boolean addGenerationPrompt,
        Map<String, ? extends @Nullable Object> others) {
    public ChatVariables {
        if (messages.isEmpty()) {
            throw new IllegalArgumentException("messages is empty, must hold at least one message");
        }
        messages = List.copyOf(messages);
        others = Collections.unmodifiableMap(new LinkedHashMap<>(others));
        for (String name : List.of("messages", "add_generation_prompt")) {
            if (others.containsKey(name)) {
                throw new IllegalArgumentException(
                        "'" + name + "' cannot be given as a further template variable");
            }
        }
    }

    public static ChatVariables of(
            List<? extends Map<String, ? extends @Nullable Object>> messages,
            boolean addGenerationPrompt) {
        return new ChatVariables(messages, addGenerationPrompt, Map.of());
    }

    ChatVariables withMessages(
            List<? extends Map<String, ? extends @Nullable Object>> replacement) {
        return new ChatVariables(replacement, addGenerationPrompt, others);
    }

    public ChatVariables withTools(List<? extends @Nullable Object> tools) {
        return with("tools", new ArrayList<>(tools));
    }

    public ChatVariables withDocuments(List<? extends @Nullable Object> documents) {
        return with("documents", new ArrayList<>(documents));
    }

    /// Returns a copy with a template-specific variable, such as `enable_thinking`.
    public ChatVariables with(String name, @Nullable Object value) {
        Map<String, @Nullable Object> more = new LinkedHashMap<>(others);
        more.put(name, value);
        return new ChatVariables(messages, addGenerationPrompt, more);
    }
}
