// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ToolCallForm;
import dev.lockstep.text.ToolCalls;
import dev.lockstep.text.jinja.TemplateException;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The form of the ids of calls. Clients send them back, and some templates refuse all but nine
/// letters and digits.
enum CallIdForm {
    LONG,
    NINE_LETTERS;

    private static final String LETTERS =
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    /// Finds the form by a trial: a call of a function and its result.
    static CallIdForm of(ChatTemplate template, Clock clock) {
        Optional<ToolCallForm> form = template.toolCallForm(clock);
        if (form.isEmpty()) {
            return LONG;
        }
        String id = LONG.next(() -> 0);
        Map<String, Object> function = Map.of("name", "trial", "arguments", Map.of("a", 1));
        Map<String, Object> call = Map.of("id", id, "type", "function", "function", function);
        List<Map<String, Object>> messages =
                List.of(
                        Map.of("role", "user", "content", "trial"),
                        Map.of("role", "assistant", "content", "", ToolCalls.FIELD, List.of(call)),
                        Map.of(
                                "role",
                                "tool",
                                "tool_call_id",
                                id,
                                "name",
                                "trial",
                                "content",
                                "trial"));
        try {
            var _ = template.render(form.get().apply(ChatVariables.of(messages, true)), clock);
            return LONG;
        } catch (TemplateException e) {
            return NINE_LETTERS;
        }
    }

    String next(Randomness randomness) {
        if (this == LONG) {
            return "call_" + randomness.nextIncarnation();
        }
        var id = new StringBuilder();
        for (int i = 0; i < 9; i++) {
            id.append(LETTERS.charAt(Math.floorMod(randomness.nextLong(), LETTERS.length())));
        }
        return id.toString();
    }
}
