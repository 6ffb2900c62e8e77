// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.text.jinja.TemplateException;
import java.time.Clock;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The form in which a chat template renders the tool calls of earlier messages.
///
/// Templates differ: most fail on a message without content, and some recognise a message that only
/// calls tools by just that; most expect the arguments of a call as an object, some as JSON text.
/// The form of a template is found by a trial.
public enum ToolCallForm {
    OBJECT(false, false),
    OBJECT_AND_NO_CONTENT(true, false),
    TEXT(false, true),
    TEXT_AND_NO_CONTENT(true, true);

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CONTENT = "content";
    private static final String CALLED = "trial_function";
    private static final String RESULT = "trial_result";

    /// A call of a function and its result; the ids have the length that some templates demand.
    private static final List<Map<String, Object>> TRIAL =
            List.of(
                    Map.of("role", "user", CONTENT, "trial"),
                    Map.of(
                            "role",
                            "assistant",
                            CONTENT,
                            "",
                            ToolCalls.FIELD,
                            List.of(
                                    Map.of(
                                            "id",
                                            "call00001",
                                            "type",
                                            "function",
                                            "function",
                                            Map.of("name", CALLED, "arguments", Map.of("a", 1))))),
                    Map.of(
                            "role",
                            "tool",
                            "tool_call_id",
                            "call00001",
                            "name",
                            CALLED,
                            CONTENT,
                            RESULT));

    private final boolean noContent;
    private final boolean textArguments;

    ToolCallForm(boolean noContent, boolean textArguments) {
        this.noContent = noContent;
        this.textArguments = textArguments;
    }

    /// Returns the form of a template; empty if it renders no tool calls or no results of them.
    public static Optional<ToolCallForm> of(ChatTemplate template, Clock clock) {
        return Arrays.stream(values()).filter(form -> form.fits(template, clock)).findFirst();
    }

    private boolean fits(ChatTemplate template, Clock clock) {
        try {
            String prompt = template.render(apply(ChatVariables.of(TRIAL, true)), clock);
            return prompt.contains(CALLED) && prompt.contains(RESULT);
        } catch (TemplateException e) {
            return false;
        }
    }

    /// Returns the conversation with its tool calls in this form.
    ///
    /// @param conversation with the arguments of tool calls as objects, and empty content where a
    ///   message has none
    public ChatVariables apply(ChatVariables conversation) {
        return conversation.withMessages(
                conversation.messages().stream().map(this::message).toList());
    }

    private Map<String, ? extends @Nullable Object> message(
            Map<String, ? extends @Nullable Object> message) {
        if (!(message.get(ToolCalls.FIELD) instanceof List<?> calls)) {
            return message;
        }
        Map<String, @Nullable Object> formed = new LinkedHashMap<>(message);
        if (noContent && "".equals(message.get(CONTENT))) {
            formed.put(CONTENT, null);
        }
        if (textArguments) {
            formed.put(ToolCalls.FIELD, calls.stream().map(ToolCallForm::withText).toList());
        }
        return formed;
    }

    private static Object withText(Object call) {
        Map<Object, @Nullable Object> formed = new LinkedHashMap<>((Map<?, ?>) call);
        Map<Object, @Nullable Object> function =
                new LinkedHashMap<>((Map<?, ?>) formed.get("function"));
        try {
            function.put("arguments", JSON.writeValueAsString(function.get("arguments")));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("arguments of a tool call are not JSON", e);
        }
        formed.put("function", function);
        return formed;
    }
}
