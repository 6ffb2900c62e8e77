// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.tools.AnswerEvent;
import dev.lockstep.text.tools.ReasoningFormat;
import dev.lockstep.text.tools.ToolCallParser;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Takes the text of one choice apart. Confined to the thread of its completion.
final class AnswerReader {
    private final AnswerPlan plan;
    private final ToolCallParser parser;

    private final String choice;

    /// Whether reasoning was put into the content and its closing marker not yet.
    private boolean inlineOpen;

    /// Whether the next reasoning continues what the prompt opened.
    private boolean openedByPrompt;

    private boolean called;

    /// How many code points of the text were read.
    private int characters;

    AnswerReader(AnswerPlan plan, String choice) {
        this.plan = plan;
        this.choice = choice;
        this.parser = plan.format().parser(plan.functions(), plan.constrained(), plan.promptEnd());
        this.openedByPrompt = plan.format().beginsWithReasoning(plan.promptEnd());
    }

    /// Returns the parts that a delta of the choice's text completes.
    Delta read(Delta raw) {
        String text = raw.text();
        List<Delta.Shown> tokens = raw.tokens();
        List<AnswerEvent> events = new ArrayList<>();
        int reasoning = 0;
        int at = 0;
        // Token by token, to know which of them wrote reasoning.
        for (int i = 0; i < tokens.size(); i++) {
            int end = i + 1 < tokens.size() ? indexOf(tokens.get(i + 1), text) : text.length();
            boolean before = parser.isReasoning();
            accept(text.substring(at, Math.max(at, end)), events);
            reasoning += before || parser.isReasoning() ? 1 : 0;
            at = Math.max(at, end);
        }
        accept(text.substring(at), events);
        characters += text.codePointCount(0, text.length());
        return new Delta(events, tokens, reasoning);
    }

    /// Returns where the text of a token begins in that of its delta.
    private int indexOf(Delta.Shown token, String text) {
        int all = text.codePointCount(0, text.length());
        return text.offsetByCodePoints(0, Math.clamp(token.offset() - characters, 0, all));
    }

    private void accept(String text, List<AnswerEvent> events) {
        parser.accept(text).forEach(event -> add(event, events));
    }

    /// Returns what was held back; called once, after the end of the text.
    Delta finish() {
        List<AnswerEvent> events = new ArrayList<>();
        parser.finish().forEach(event -> add(event, events));
        return new Delta(events, List.of(), 0);
    }

    /// Returns whether the answer has a call.
    boolean called() {
        return called;
    }

    private void add(AnswerEvent event, List<AnswerEvent> events) {
        switch (event) {
            case AnswerEvent.Reasoning(String text) -> addReasoning(text, events);
            case AnswerEvent.Content _ -> {
                closeInline(events);
                Delta.append(events, event);
            }
            case AnswerEvent.CallStart(int index, Optional<String> id, String name) -> {
                closeInline(events);
                if (isKept(index)) {
                    called = true;
                    String known = id.orElseGet(() -> plan.callIds().of(choice + "/" + index));
                    events.add(new AnswerEvent.CallStart(index, Optional.of(known), name));
                }
            }
            case AnswerEvent.Arguments(int index, String text) -> {
                if (isKept(index) && !text.isEmpty()) {
                    Delta.append(events, event);
                }
            }
            case AnswerEvent.CallEnd(int index) -> {
                if (isKept(index)) {
                    events.add(event);
                }
            }
        }
    }

    private boolean isKept(int index) {
        return index == 0 || plan.parallel();
    }

    private void addReasoning(String text, List<AnswerEvent> events) {
        switch (plan.reasoning()) {
            case OFF -> {
                // counted, but not sent
            }
            case SEPARATE -> Delta.append(events, new AnswerEvent.Reasoning(text));
            case INLINE -> {
                String opening =
                        inlineOpen || openedByPrompt
                                ? ""
                                : plan.format()
                                        .reasoning()
                                        .map(ReasoningFormat::opening)
                                        .orElse("");
                inlineOpen = true;
                openedByPrompt = false;
                Delta.append(events, new AnswerEvent.Content(opening + text));
            }
        }
    }

    private void closeInline(List<AnswerEvent> events) {
        if (inlineOpen) {
            inlineOpen = false;
            plan.format()
                    .reasoning()
                    .ifPresent(
                            format ->
                                    Delta.append(
                                            events, new AnswerEvent.Content(format.closing())));
        }
    }
}
