// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import dev.lockstep.text.ChatTemplate;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Learns a template's format from what it writes for small conversations.
final class AnswerLearner {
    private final Trial trial;
    private final String header;

    private AnswerLearner(Trial trial) {
        this.trial = trial;
        header = header(trial);
    }

    static AnswerFormat learn(ChatTemplate template, Clock clock) {
        return new AnswerLearner(Trial.of(template, clock)).learn();
    }

    /// Returns what all answers and prompts begin with.
    private static String header(Trial trial) {
        return Stream.of(trial, trial.thinking())
                .flatMap(
                        each ->
                                Stream.of(
                                        each.prompt(),
                                        each.answer(Trial.CONTENT, "", List.of()),
                                        each.answer(Trial.CONTENT, Trial.REASONING, List.of()),
                                        each.answer("", "", List.of(TrialCall.FIRST)),
                                        each.answer("", Trial.REASONING, List.of(TrialCall.FIRST))))
                .flatMap(Optional::stream)
                .reduce(MarkerText::commonPrefix)
                .map(Trial::withoutSentinels)
                .orElse("");
    }

    private AnswerFormat learn() {
        Optional<ReasoningFormat> reasoning = new ReasoningLearner(trial, header).learn();
        Optional<String> content =
                trial.answer(Trial.CONTENT, "", List.of())
                        .filter(text -> text.contains(Trial.CONTENT));
        String turnEnd =
                content.map(this::turnEnd)
                        .filter(end -> !end.isBlank())
                        .or(trial::betweenTurns)
                        .orElse("");
        Optional<CallLearner.Learned> calls =
                new CallLearner(trial, header, reasoning, turnEnd).learn();
        return checked(reasoning, content, turnEnd, calls)
                .orElseGet(() -> format(reasoning, content, turnEnd, Optional.empty()));
    }

    /// Returns the format if it reads the trial's calls.
    private Optional<AnswerFormat> checked(
            Optional<ReasoningFormat> reasoning,
            Optional<String> content,
            String turnEnd,
            Optional<CallLearner.Learned> calls) {
        AnswerFormat format = format(reasoning, content, turnEnd, calls);
        List<TrialCall> expected =
                calls.filter(learned -> learned.format().parallel()).isPresent()
                        ? List.of(TrialCall.FIRST, TrialCall.SECOND)
                        : List.of(TrialCall.FIRST);
        return Stream.of(Trial.CONTENT, "")
                .flatMap(text -> trial.called(text, expected).stream())
                .filter(text -> text.startsWith(header))
                .map(text -> text.substring(header.length()))
                .filter(
                        text ->
                                Answer.whole(format, TrialCall.functions(), "", text)
                                        .matches(expected))
                .findFirst()
                .map(_ -> format);
    }

    private AnswerFormat format(
            Optional<ReasoningFormat> reasoning,
            Optional<String> content,
            String turnEnd,
            Optional<CallLearner.Learned> calls) {
        return new AnswerFormat(
                reasoning,
                new ContentFormat(
                        content.map(text -> opening(text, reasoning)).stream()
                                .filter(opening -> !opening.isBlank())
                                .toList(),
                        calls.map(CallLearner.Learned::contentClosing).stream()
                                .filter(closing -> !closing.isEmpty())
                                .toList(),
                        turnEnd.isBlank() ? List.of() : List.of(turnEnd)),
                calls.map(CallLearner.Learned::format));
    }

    /// Returns what stands behind content.
    private String turnEnd(String answer) {
        String ended = trial.withoutNextPrompt(answer);
        return ended.substring(ended.lastIndexOf(Trial.CONTENT) + Trial.CONTENT.length());
    }

    /// Returns what stands before content, other than empty reasoning.
    private String opening(String answer, Optional<ReasoningFormat> reasoning) {
        String before =
                answer.substring(header.length(), answer.indexOf(Trial.CONTENT)).stripLeading();
        if (reasoning.isEmpty()) {
            return before;
        }
        String closing = reasoning.get().closing().strip();
        int closed = before.lastIndexOf(closing);
        String rest = closed < 0 ? before : before.substring(closed + closing.length());
        return rest.strip().equals(reasoning.get().opening().strip()) ? "" : rest.stripLeading();
    }
}
