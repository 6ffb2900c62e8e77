// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ToolCallForm;
import dev.lockstep.text.ToolCalls;
import dev.lockstep.text.jinja.TemplateException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Renders small conversations with a template: what it writes behind the user's message.
final class Trial {
    static final String CONTENT = "qzcontent";
    static final String REASONING = "qzreasoning";
    private static final String QUESTION = "qzquestion";
    private static final String LATER = "qzlater";
    private static final String RESULT = "qzresult";

    private final ChatTemplate template;
    private final Clock clock;
    private final Map<String, Object> variables;
    private final Optional<ToolCallForm> form;

    private Trial(
            ChatTemplate template,
            Clock clock,
            Map<String, Object> variables,
            Optional<ToolCallForm> form) {
        this.template = template;
        this.clock = clock;
        this.variables = variables;
        this.form = form;
    }

    static Trial of(ChatTemplate template, Clock clock) {
        var plain = new Trial(template, clock, Map.of(), Optional.empty());
        return new Trial(template, clock, Map.of(), plain.findForm());
    }

    /// Returns trials with the variables that make templates think.
    Trial thinking() {
        return new Trial(template, clock, Map.of("enable_thinking", true, "thinking", true), form);
    }

    /// Returns the form in which calls are rendered, given that tools are.
    Optional<ToolCallForm> form() {
        return form;
    }

    private Optional<ToolCallForm> findForm() {
        Optional<ToolCallForm> known = template.toolCallForm(clock);
        return known.isPresent()
                ? known
                : Arrays.stream(ToolCallForm.values())
                        .filter(
                                each ->
                                        new Trial(template, clock, variables, Optional.of(each))
                                                .answer("", "", List.of(TrialCall.FIRST))
                                                .filter(
                                                        text ->
                                                                text.contains(
                                                                        TrialCall.FIRST.name()))
                                                .isPresent())
                        .findFirst();
    }

    boolean names(String text) {
        return template.names(text);
    }

    /// Returns what the template writes for the model to continue.
    Optional<String> prompt() {
        return render(List.of(user(QUESTION)), true).map(text -> behind(text, QUESTION));
    }

    /// Returns what the template writes for an answer as the last message.
    Optional<String> answer(String content, String reasoning, List<TrialCall> calls) {
        return render(List.of(user(QUESTION), assistant(content, reasoning, calls)), false)
                .filter(text -> text.contains(QUESTION))
                .map(text -> behind(text, QUESTION));
    }

    /// Returns what the template writes for calls and up to the first of their results.
    Optional<String> called(String content, List<TrialCall> calls) {
        List<Map<String, @Nullable Object>> messages = new ArrayList<>();
        messages.add(user(QUESTION));
        messages.add(assistant(content, "", calls));
        for (TrialCall call : calls) {
            Map<String, @Nullable Object> result = new LinkedHashMap<>();
            result.put("role", "tool");
            result.put("tool_call_id", call.id());
            result.put("name", call.name());
            result.put("content", RESULT);
            messages.add(result);
        }
        return render(messages, false)
                .filter(text -> text.contains(QUESTION))
                .map(text -> behind(text, QUESTION))
                .map(
                        text ->
                                text.contains(RESULT)
                                        ? text.substring(0, text.indexOf(RESULT))
                                        : text);
    }

    /// Returns the text between content and a later message of the user, without what stands before
    /// each such message.
    Optional<String> betweenTurns() {
        return render(
                        List.of(user(QUESTION), assistant(CONTENT, "", List.of()), user(LATER)),
                        false)
                .filter(text -> text.contains(CONTENT) && text.contains(LATER))
                .map(
                        text -> {
                            String first = text.substring(0, text.indexOf(QUESTION));
                            String between =
                                    text.substring(
                                            text.lastIndexOf(CONTENT) + CONTENT.length(),
                                            text.lastIndexOf(LATER));
                            String header = MarkerText.commonSuffix(first, between);
                            return between.substring(0, between.length() - header.length());
                        });
    }

    /// Returns an answer without a next prompt, which some templates write always.
    String withoutNextPrompt(String answer) {
        String prompt = prompt().orElse("");
        if (prompt.isEmpty() || !answer.endsWith(prompt)) {
            return answer;
        }
        String first = MarkerText.units(prompt).get(0);
        return answer.substring(0, answer.length() - prompt.length() + first.length());
    }

    /// Returns a text up to the first text of a trial.
    static String withoutSentinels(String text) {
        int at = text.indexOf("qz");
        return at < 0 ? text : text.substring(0, at);
    }

    private static String behind(String text, String sentinel) {
        int at = text.lastIndexOf(sentinel);
        return at < 0 ? text : text.substring(at + sentinel.length());
    }

    private static Map<String, @Nullable Object> user(String content) {
        return Map.of("role", "user", "content", content);
    }

    /// Reasoning has several names in templates; a message has all.
    private static Map<String, @Nullable Object> assistant(
            String content, String reasoning, List<TrialCall> calls) {
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        message.put("role", "assistant");
        message.put("content", content);
        if (!reasoning.isEmpty()) {
            for (String field : List.of("reasoning_content", "reasoning", "thinking", "thought")) {
                message.put(field, reasoning);
            }
        }
        if (!calls.isEmpty()) {
            message.put(ToolCalls.FIELD, calls.stream().map(TrialCall::field).toList());
        }
        return message;
    }

    private Optional<String> render(
            List<Map<String, @Nullable Object>> messages, boolean generation) {
        try {
            ChatVariables conversation =
                    TemplateTools.add(
                            ChatVariables.of(new ArrayList<>(messages), generation),
                            TrialCall.tools(),
                            template,
                            clock);
            for (Map.Entry<String, Object> each : variables.entrySet()) {
                conversation = conversation.with(each.getKey(), each.getValue());
            }
            ChatVariables formed = conversation;
            return Optional.of(
                    template.render(form.map(each -> each.apply(formed)).orElse(formed), clock));
        } catch (TemplateException e) {
            return Optional.empty();
        }
    }
}
