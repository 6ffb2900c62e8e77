// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.List;
import java.util.Optional;

/// Learns how a template writes reasoning: from an answer that has some, or else from what it
/// writes for the model to continue.
final class ReasoningLearner {
    private final Trial trial;
    private final String header;

    ReasoningLearner(Trial trial, String header) {
        this.trial = trial;
        this.header = header;
    }

    Optional<ReasoningFormat> learn() {
        for (Trial each : List.of(trial, trial.thinking())) {
            Optional<ReasoningFormat> found =
                    rendered(each, Trial.CONTENT, List.of())
                            .or(() -> rendered(each, Trial.CONTENT, List.of(TrialCall.FIRST)))
                            .or(() -> rendered(each, "", List.of(TrialCall.FIRST)));
            if (found.isPresent()) {
                return found;
            }
        }
        return prompted(trial).or(() -> prompted(trial.thinking()));
    }

    /// Learns from an answer with reasoning, and the same answer without.
    private Optional<ReasoningFormat> rendered(Trial with, String content, List<TrialCall> calls) {
        Optional<String> answer = with.answer(content, Trial.REASONING, calls);
        Optional<String> plain = with.answer(content, "", calls);
        if (answer.isEmpty()
                || plain.isEmpty()
                || !answer.get().startsWith(header)
                || !answer.get().contains(Trial.REASONING)) {
            return Optional.empty();
        }
        String text = answer.get();
        int at = text.indexOf(Trial.REASONING);
        String before = text.substring(0, at);
        String after = text.substring(at + Trial.REASONING.length());
        int rest =
                content.isEmpty() || !after.contains(content)
                        ? after.indexOf(TrialCall.FIRST.name())
                        : after.indexOf(content);
        if (rest < 0) {
            return Optional.empty();
        }
        String between = after.substring(0, rest);
        Optional<ReasoningFormat> pair = pair(before, between, with == trial);
        if (pair.isPresent()) {
            return pair;
        }
        String plainBefore =
                plain.get()
                        .substring(
                                0,
                                Math.max(
                                        0,
                                        plain.get()
                                                .indexOf(
                                                        after.startsWith(content, rest)
                                                                        && !content.isEmpty()
                                                                ? content
                                                                : TrialCall.FIRST.name())));
        String common =
                MarkerText.commonSuffix(
                        between,
                        plainBefore.substring(Math.min(header.length(), plainBefore.length())));
        String closing = between.substring(0, between.length() - common.length());
        String opening = before.substring(header.length());
        if (opening.isBlank()) {
            opening =
                    with.prompt()
                            .filter(prompt -> prompt.startsWith(header))
                            .map(prompt -> prompt.substring(header.length()))
                            .orElse("");
        }
        return format(opening, closing, with == trial);
    }

    /// Finds an opening marker and its counterpart, such as `<think>` and `</think>`.
    private Optional<ReasoningFormat> pair(String before, String between, boolean kept) {
        String closing =
                MarkerText.units(between).stream()
                        .filter(MarkerText::hasMarker)
                        .findFirst()
                        .orElse("");
        for (String opening : MarkerText.units(before).reversed()) {
            if (MarkerText.hasMarker(opening) && closing.equals(counterpart(opening))) {
                int end = between.indexOf(closing) + closing.length();
                String behind = between.substring(end);
                return format(
                        before.substring(before.lastIndexOf(opening)),
                        between.substring(0, end) + MarkerText.leadingSpace(behind),
                        kept);
            }
        }
        return Optional.empty();
    }

    private static String counterpart(String opening) {
        return opening.contains("START")
                ? opening.replace("START", "END")
                : opening.charAt(0) + "/" + opening.substring(1);
    }

    /// Learns from a prompt that ends with an opening marker whose counterpart the template names.
    private Optional<ReasoningFormat> prompted(Trial with) {
        String prompt = with.prompt().orElse("");
        List<String> units = MarkerText.units(prompt.stripTrailing());
        if (units.isEmpty() || !MarkerText.hasMarker(units.getLast())) {
            return Optional.empty();
        }
        String opening = units.getLast();
        return trial.names(counterpart(opening))
                ? format(opening + MarkerText.trailingSpace(prompt), counterpart(opening), false)
                : Optional.empty();
    }

    private Optional<ReasoningFormat> format(String opening, String closing, boolean kept) {
        if (opening.isBlank() || closing.isBlank()) {
            return Optional.empty();
        }
        boolean opened =
                trial.prompt()
                        .filter(prompt -> prompt.stripTrailing().endsWith(opening.strip()))
                        .isPresent();
        return Optional.of(new ReasoningFormat(opening, closing, opened, kept));
    }
}
