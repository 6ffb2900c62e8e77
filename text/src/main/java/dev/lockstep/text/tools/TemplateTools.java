// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Hands tools to a template under the names that it reads.
public final class TemplateTools {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TOOLS = "tools";
    private static final String FUNCTIONS = "functions";
    private static final String TIME = "datetime";
    private static final DateTimeFormatter TIME_FORMAT =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");

    private TemplateTools() {}

    /// Returns the conversation with its tools.
    ///
    /// Templates read `tools`, a list. Some older ones read `functions`, the JSON text of a list of
    /// functions, and with it `datetime`, the time as text.
    ///
    /// @param tools as clients send them: objects with `type` and `function`
    public static ChatVariables add(
            ChatVariables conversation,
            List<? extends Map<String, ? extends @Nullable Object>> tools,
            ChatTemplate template,
            Clock clock) {
        if (names(template, TOOLS) || !names(template, FUNCTIONS)) {
            return conversation.withTools(tools);
        }
        List<? extends @Nullable Object> functions =
                tools.stream().map(tool -> tool.get("function")).toList();
        ChatVariables all = conversation.with(FUNCTIONS, json(functions));
        return names(template, TIME) && !all.others().containsKey(TIME)
                ? all.with(TIME, LocalDateTime.now(clock).format(TIME_FORMAT))
                : all;
    }

    private static boolean names(ChatTemplate template, String variable) {
        return Pattern.compile("\\b" + variable + "\\b").matcher(template.source()).find();
    }

    private static String json(Object value) {
        try {
            return JSON.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("tools are not JSON", e);
        }
    }
}
