// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.jinja.TemplateException;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The variables with which a chat template turns thinking on and off: those that change what it
/// renders.
record ThinkingSwitches(List<Switch> switches) {
    static final ThinkingSwitches NONE = new ThinkingSwitches(List.of());

    /// As published templates name them.
    private static final List<Switch> KNOWN =
            List.of(
                    new Switch("enable_thinking", true, false),
                    new Switch("thinking", true, false),
                    new Switch("thinking_mode", "enabled", "disabled"));

    /// Of templates that have no other one: they know efforts, of which one is no thinking.
    private static final List<Switch> EFFORTS =
            List.of(
                    new Switch(ThinkingFields.EFFORT, "high", "none"),
                    new Switch(ThinkingFields.EFFORT, "high", "no_think"));

    /// A variable, and its values; the empty one leaves it out.
    record Switch(String name, Object on, Object off) {
        private static final String DEFAULT = "";

        ChatVariables with(ChatVariables conversation, boolean thinks) {
            Object value = thinks ? on : off;
            return value.equals(DEFAULT) || conversation.others().containsKey(name)
                    ? conversation
                    : conversation.with(name, value);
        }

        Switch onByDefault() {
            return new Switch(name, DEFAULT, off);
        }
    }

    ThinkingSwitches {
        switches = List.copyOf(switches);
    }

    static ThinkingSwitches of(ChatTemplate template, Clock clock) {
        List<Switch> known = KNOWN.stream().filter(each -> works(each, template, clock)).toList();
        return new ThinkingSwitches(
                known.isEmpty()
                        ? EFFORTS.stream()
                                .filter(each -> works(each, template, clock))
                                .limit(1)
                                .map(each -> effort(each, template, clock))
                                .toList()
                        : known);
    }

    /// Returns the switch of a template that has efforts: without one it thinks as much as it is
    /// meant to, if it thinks at all.
    private static Switch effort(Switch each, ChatTemplate template, Clock clock) {
        Switch other = each.onByDefault();
        return works(other, template, clock) ? other : each;
    }

    /// Returns whether the template renders both values, and differently.
    private static boolean works(Switch each, ChatTemplate template, Clock clock) {
        if (!template.names(each.name())) {
            return false;
        }
        Optional<String> on = rendered(template, clock, each, true);
        Optional<String> off = rendered(template, clock, each, false);
        return on.isPresent() && off.isPresent() && !on.equals(off);
    }

    private static Optional<String> rendered(
            ChatTemplate template, Clock clock, Switch each, boolean on) {
        List<Map<String, String>> messages = List.of(Map.of("role", "user", "content", "Hello"));
        try {
            return Optional.of(
                    template.render(each.with(ChatVariables.of(messages, true), on), clock));
        } catch (TemplateException e) {
            return Optional.empty();
        }
    }

    boolean isEmpty() {
        return switches.isEmpty();
    }

    /// Adds the variables to those of a conversation; what it has already is more exact.
    ChatVariables with(ChatVariables conversation, boolean on) {
        ChatVariables all = conversation;
        for (Switch each : switches) {
            all = each.with(all, on);
        }
        return all;
    }
}
