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

    /// Whether reasoning was put into the content and its closing marker not yet.
    private boolean inlineOpen;

    /// Whether the next reasoning continues what the prompt opened.
    private boolean openedByPrompt;

    private boolean called;

    AnswerReader(AnswerPlan plan) {
        this.plan = plan;
        this.parser = plan.format().parser(plan.functions(), plan.constrained(), plan.promptEnd());
        this.openedByPrompt = plan.format().beginsWithReasoning(plan.promptEnd());
    }

    /// Returns the parts that a delta of the choice's text completes.
    Delta read(Delta raw) {
        boolean before = parser.isReasoning();
        List<AnswerEvent> events = parts(parser.accept(raw.text()));
        boolean reasoning = before || parser.isReasoning();
        return new Delta(events, raw.tokens(), reasoning ? raw.tokens().size() : 0);
    }

    /// Returns what was held back; called once, after the end of the text.
    Delta finish() {
        return new Delta(parts(parser.finish()), List.of(), 0);
    }

    /// Returns whether the answer has a call.
    boolean called() {
        return called;
    }

    private List<AnswerEvent> parts(List<AnswerEvent> parsed) {
        List<AnswerEvent> events = new ArrayList<>();
        parsed.forEach(event -> add(event, events));
        return events;
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
                    String known = id.orElseGet(plan.callIds()::next);
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
