// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Optional;

/// What a request says about thinking, under the names of several servers: whether the model
/// thinks, with how much effort, and for how many tokens.
///
/// @param hidden whether the response has no reasoning
record ThinkingFields(
        Optional<Given<Boolean>> on,
        Optional<Given<String>> effort,
        Optional<Given<Integer>> budget,
        boolean hidden) {
    static final String BUDGET = "thinking_token_budget";
    static final String EFFORT = "reasoning_effort";
    private static final String SWITCH = "enable_thinking";
    private static final String THINK = "think";
    private static final String THINKING = "thinking";
    private static final String REASONING = "reasoning";

    /// The names of a budget; minus one is none.
    private static final List<String> BUDGETS =
            List.of(BUDGET, "thinking_budget", "thinking_budget_tokens");

    /// A value, and the field that has it, for error messages.
    record Given<T>(String field, T value) {}

    static ThinkingFields parse(Fields fields) {
        Optional<Fields> thinking = object(fields, THINKING);
        Optional<Fields> reasoning = object(fields, REASONING);
        ThinkingFields all =
                none().and(flag(fields, SWITCH))
                        .and(flag(fields, THINK))
                        .and(flag(fields, THINKING))
                        .and(flag(fields, REASONING))
                        .and(thinking.flatMap(ThinkingFields::ofType))
                        .and(reasoning.flatMap(given -> flag(given, "enabled")))
                        .withEffort(text(fields, EFFORT))
                        .withEffort(text(fields, THINK))
                        .withEffort(reasoning.flatMap(given -> text(given, "effort")));
        for (String name : BUDGETS) {
            all = all.withBudget(budget(fields, name));
        }
        return all.withBudget(thinking.flatMap(given -> budget(given, "budget_tokens")))
                .withBudget(reasoning.flatMap(given -> budget(given, "max_tokens")))
                .hiding(reasoning.map(given -> given.flag("exclude", false)).orElse(false));
    }

    private static ThinkingFields none() {
        return new ThinkingFields(Optional.empty(), Optional.empty(), Optional.empty(), false);
    }

    private static Optional<Fields> object(Fields fields, String name) {
        return fields.value(name).isBoolean() ? Optional.empty() : fields.object(name);
    }

    private static Optional<Given<Boolean>> flag(Fields fields, String name) {
        JsonNode value = fields.value(name);
        boolean other = !name.equals(SWITCH) && !name.equals("enabled") && !value.isBoolean();
        return other || !fields.has(name)
                ? Optional.empty()
                : Optional.of(new Given<>(fields.name(name), fields.flag(name, true)));
    }

    /// Reads a text; a field that is also a switch may be true or false.
    private static Optional<Given<String>> text(Fields fields, String name) {
        return fields.value(name).isBoolean() && name.equals(THINK)
                ? Optional.empty()
                : fields.text(name).map(text -> new Given<>(fields.name(name), text));
    }

    private static Optional<Given<Boolean>> ofType(Fields thinking) {
        return switch (thinking.text("type").orElse("enabled")) {
            case "enabled", "adaptive", "auto" ->
                    Optional.of(new Given<>(thinking.name("type"), true));
            case "disabled" -> Optional.of(new Given<>(thinking.name("type"), false));
            default ->
                    throw Fields.outside(
                            thinking.name("type"),
                            thinking.value("type"),
                            "{enabled, disabled, adaptive, auto}");
        };
    }

    private static Optional<Given<Integer>> budget(Fields fields, String name) {
        return fields.integer(name, -1, Integer.MAX_VALUE).stream()
                .filter(tokens -> tokens >= 0)
                .mapToObj(tokens -> new Given<>(fields.name(name), tokens))
                .findFirst();
    }

    private ThinkingFields and(Optional<Given<Boolean>> more) {
        return new ThinkingFields(one(on, more), effort, budget, hidden);
    }

    private ThinkingFields withEffort(Optional<Given<String>> more) {
        return new ThinkingFields(on, one(effort, more), budget, hidden);
    }

    private ThinkingFields withBudget(Optional<Given<Integer>> more) {
        return new ThinkingFields(on, effort, one(budget, more), hidden);
    }

    private ThinkingFields hiding(boolean more) {
        return new ThinkingFields(on, effort, budget, hidden || more);
    }

    /// Returns what either field says; refuses two that differ.
    private static <T> Optional<Given<T>> one(Optional<Given<T>> first, Optional<Given<T>> second) {
        if (first.isPresent()
                && second.isPresent()
                && !first.get().value().equals(second.get().value())) {
            throw ApiError.invalid(
                    second.get().field(),
                    "%s is %s, but %s is %s"
                            .formatted(
                                    second.get().field(),
                                    Json.quoted(String.valueOf(second.get().value())),
                                    first.get().field(),
                                    Json.quoted(String.valueOf(first.get().value()))));
        }
        return first.or(() -> second);
    }
}
