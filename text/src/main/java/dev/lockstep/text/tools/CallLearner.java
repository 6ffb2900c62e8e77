// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Learns how a template writes tool calls: it renders one and two of them, with and without
/// content, and compares.
final class CallLearner {
    private final Trial trial;

    /// What stands before every answer.
    private final String header;

    private final Optional<ReasoningFormat> reasoning;

    /// What ends an answer without calls.
    private final String turnEnd;

    CallLearner(Trial trial, String header, Optional<ReasoningFormat> reasoning, String turnEnd) {
        this.trial = trial;
        this.header = header;
        this.reasoning = reasoning;
        this.turnEnd = turnEnd;
    }

    /// The calls of a template.
    ///
    /// @param contentClosing what stands between content and calls besides white space
    record Learned(ToolFormat format, String contentClosing) {}

    Optional<Learned> learn() {
        Optional<String> one = answer("", TrialCall.FIRST);
        if (one.isEmpty()) {
            return Optional.empty();
        }
        var arguments =
                new ArgumentLearner(
                        one.get(),
                        answer("", TrialCall.HARD).orElse(""),
                        answer("", TrialCall.NUMERIC).orElse(""));
        Optional<CallSpan> span = CallSpan.find(one.get(), 0, TrialCall.FIRST, arguments);
        return span.flatMap(
                found ->
                        two(arguments)
                                .or(() -> Optional.of(single(one.get(), found)))
                                .map(format -> withContent(format, arguments)));
    }

    private Optional<String> answer(String content, TrialCall... calls) {
        Optional<String> followed = behindHeader(trial.called(content, List.of(calls)), calls);
        Optional<String> last =
                behindHeader(
                        trial.answer(content, "", List.of(calls)).map(trial::withoutNextPrompt),
                        calls);
        return followed.isEmpty() || last.isEmpty()
                ? followed.or(() -> last)
                : followed.map(text -> withSharedEnd(text, last.get()));
    }

    private Optional<String> behindHeader(Optional<String> answer, TrialCall... calls) {
        return answer.filter(text -> text.startsWith(header))
                .map(text -> text.substring(header.length()))
                .filter(text -> List.of(calls).stream().allMatch(c -> text.contains(c.name())));
    }

    /// Cuts what stands before a result from an answer: it ends as the same answer does where it is
    /// the last message.
    private static String withSharedEnd(String text, String last) {
        int from = lastOfCalls(text);
        List<String> units = MarkerText.units(last.substring(lastOfCalls(last)));
        for (int i = 0; i < units.size(); i++) {
            String end = String.join("", units.subList(i, units.size()));
            int at = MarkerText.hasMarker(end) ? text.indexOf(end, from) : -1;
            if (at >= 0) {
                return text.substring(0, at + end.length());
            }
        }
        return text.substring(0, from)
                + MarkerText.commonPrefix(text.substring(from), last.substring(lastOfCalls(last)));
    }

    /// Returns where the last text of a trial call ends.
    private static int lastOfCalls(String text) {
        return Stream.of(
                        TrialCall.SECOND_VALUE,
                        TrialCall.HARD_VALUE_END,
                        String.valueOf(TrialCall.NUMBER))
                .mapToInt(value -> text.lastIndexOf(value) + value.length())
                .max()
                .orElse(0);
    }

    private Optional<ToolFormat> two(ArgumentLearner arguments) {
        Optional<String> found = answer("", TrialCall.FIRST, TrialCall.SECOND);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        String text = found.get();
        Optional<CallSpan> first = CallSpan.find(text, 0, TrialCall.FIRST, arguments);
        Optional<CallSpan> second =
                first.flatMap(span -> CallSpan.find(text, span.end(), TrialCall.SECOND, arguments));
        if (second.isEmpty()) {
            return Optional.empty();
        }
        String before = withoutReasoning(text.substring(0, first.get().start()));
        String between = text.substring(first.get().end(), second.get().start());
        String after = text.substring(second.get().end());
        String callBegin = MarkerText.commonSuffix(before, between);
        String rest = between.substring(0, between.length() - callBegin.length());
        String callEnd = MarkerText.commonPrefix(rest, after);
        return Optional.of(
                new ToolFormat(
                        "",
                        before.substring(0, before.length() - callBegin.length()),
                        callBegin,
                        counted(first.get().form(), second.get().form()),
                        callEnd,
                        rest.substring(callEnd.length()),
                        withoutTurnEnd(after.substring(callEnd.length())),
                        false,
                        true,
                        List.of()));
    }

    private ToolFormat single(String text, CallSpan span) {
        return new ToolFormat(
                "",
                "",
                withoutReasoning(text.substring(0, span.start())),
                span.form(),
                withoutTurnEnd(text.substring(span.end())),
                "",
                "",
                false,
                false,
                List.of());
    }

    private String withoutReasoning(String before) {
        String closing = reasoning.map(format -> format.closing().strip()).orElse("");
        int at = closing.isEmpty() ? -1 : before.lastIndexOf(closing);
        return at < 0 ? before : before.substring(at + closing.length()).stripLeading();
    }

    private String withoutTurnEnd(String after) {
        String end = MarkerText.commonSuffix(after, turnEnd);
        return after.substring(0, after.length() - end.length());
    }

    /// Finds a number that counts the calls.
    private static CallForm counted(CallForm first, CallForm second) {
        if (!(first instanceof CallForm.Pieces one)
                || !(second instanceof CallForm.Pieces two)
                || one.head().size() != two.head().size()) {
            return first;
        }
        List<Piece> head = new ArrayList<>();
        for (int i = 0; i < one.head().size(); i++) {
            if (one.head().get(i) instanceof Piece.Text(String a)
                    && two.head().get(i) instanceof Piece.Text(String b)
                    && !a.equals(b)) {
                int digit = a.indexOf('0');
                if (digit < 0 || !b.equals(a.substring(0, digit) + '1' + a.substring(digit + 1))) {
                    return first;
                }
                text(head, a.substring(0, digit));
                head.add(new Piece.Index());
                text(head, a.substring(digit + 1));
            } else {
                head.add(one.head().get(i));
            }
        }
        return new CallForm.Pieces(head, one.arguments());
    }

    private static void text(List<Piece> head, String text) {
        if (!text.isEmpty()) {
            head.add(new Piece.Text(text));
        }
    }

    /// Adds what stands between content and calls, if the template renders both.
    private Learned withContent(ToolFormat format, ArgumentLearner arguments) {
        String full = format.sectionBegin() + format.callBegin();
        String begin = full.stripLeading();
        String between =
                answer(Trial.CONTENT, TrialCall.FIRST)
                        .filter(text -> text.contains(Trial.CONTENT))
                        .flatMap(
                                text -> {
                                    int content =
                                            text.indexOf(Trial.CONTENT) + Trial.CONTENT.length();
                                    return CallSpan.find(text, 0, TrialCall.FIRST, arguments)
                                            .filter(span -> span.start() > content)
                                            .map(span -> text.substring(content, span.start()));
                                })
                        .filter(text -> text.endsWith(begin))
                        .orElse("");
        String begun = between.endsWith(full) ? full : begin;
        String extra = between.substring(0, Math.max(0, between.length() - begun.length()));
        boolean anywhere = !begin.isBlank() && (!between.isEmpty() || MarkerText.hasMarker(begin));
        return new Learned(
                new ToolFormat(
                        extra.isBlank() ? extra : MarkerText.leadingSpace(extra),
                        format.sectionBegin(),
                        format.callBegin(),
                        format.call(),
                        format.callEnd(),
                        format.separator(),
                        format.sectionEnd(),
                        anywhere,
                        format.parallel(),
                        List.of()),
                extra.strip());
    }
}
