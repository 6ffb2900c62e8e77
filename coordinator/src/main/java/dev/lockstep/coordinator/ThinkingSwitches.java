// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.jinja.TemplateException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The variables with which a chat template turns thinking on and off: those that change what it
/// renders.
///
/// @param names of variables that are true or false
record ThinkingSwitches(List<String> names) {
    static final ThinkingSwitches NONE = new ThinkingSwitches(List.of());

    /// As published templates name them.
    private static final List<String> KNOWN = List.of("enable_thinking", "thinking");

    ThinkingSwitches {
        names = List.copyOf(names);
    }

    static ThinkingSwitches of(ChatTemplate template, Clock clock) {
        return new ThinkingSwitches(
                KNOWN.stream()
                        .filter(template::names)
                        .filter(
                                name ->
                                        !rendered(template, clock, name, true)
                                                .equals(rendered(template, clock, name, false)))
                        .toList());
    }

    private static Optional<String> rendered(
            ChatTemplate template, Clock clock, String name, boolean on) {
        List<Map<String, String>> messages = new ArrayList<>();
        messages.add(Map.of("role", "user", "content", "Hello"));
        try {
            return Optional.of(
                    template.render(ChatVariables.of(messages, true).with(name, on), clock));
        } catch (TemplateException e) {
            return Optional.empty();
        }
    }

    boolean isEmpty() {
        return names.isEmpty();
    }

    /// Adds the variables to those of a conversation; what it has already is more exact.
    ChatVariables with(ChatVariables conversation, boolean on) {
        ChatVariables all = conversation;
        for (String name : names) {
            all = all.others().containsKey(name) ? all : all.with(name, on);
        }
        return all;
    }
}
