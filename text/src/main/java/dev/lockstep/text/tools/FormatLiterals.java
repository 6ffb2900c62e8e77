// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The texts of a format, prepared for looking them up.
final class FormatLiterals {
    final Optional<ReasoningFormat> reasoning;
    final Optional<ToolFormat> tools;
    final Literal reasoningOpening;
    final Literal reasoningClosing;

    /// The ways to begin a call, the format's own first.
    final List<Opening> callOpenings;

    final Literal callEnd;
    final Literal sectionEnd;
    final List<Literal> contentOpenings;
    final List<Literal> contentClosings;

    /// What ends a turn, with the white space before it.
    final List<End> ends;

    /// The most white space that the format puts before a marker.
    final int heldSpace;

    /// The texts before a call.
    ///
    /// @param first before the first call
    /// @param next before a further one
    record Opening(Literal first, Literal next, CallForm call) {
        /// Returns the end of one of the texts at a place, [Literal#NO] or [Literal#MORE]; where
        /// there is none, the place at which a call may begin without it.
        int match(Input in, int at, Literal text) {
            if (!text.isEmpty()) {
                return text.match(in.text(), at);
            }
            boolean begins =
                    at < in.text().length()
                            && (call instanceof CallForm.Pieces || in.text().charAt(at) == '{');
            return begins ? at : Literal.NO;
        }
    }

    record End(String space, Literal literal) {}

    FormatLiterals(AnswerFormat format) {
        reasoning = format.reasoning();
        tools = format.tools();
        reasoningOpening = new Literal(reasoning.map(ReasoningFormat::opening).orElse(""));
        reasoningClosing = new Literal(reasoning.map(ReasoningFormat::closing).orElse(""));
        callOpenings = tools.map(FormatLiterals::openings).orElse(List.of());
        callEnd = new Literal(tools.map(ToolFormat::callEnd).orElse(""));
        sectionEnd = new Literal(tools.map(ToolFormat::sectionEnd).orElse(""));
        contentOpenings = format.content().openings().stream().map(Literal::new).toList();
        contentClosings = format.content().closings().stream().map(Literal::new).toList();
        ends =
                format.content().ends().stream()
                        .map(end -> new End(MarkerText.leadingSpace(end), new Literal(end)))
                        .filter(end -> !end.literal().isEmpty())
                        .toList();
        heldSpace =
                Math.max(
                        Math.max(
                                contentSeparator().length(),
                                reasoning
                                        .map(r -> MarkerText.leadingSpace(r.closing()).length())
                                        .orElse(0)),
                        ends.stream().mapToInt(end -> end.space().length()).max().orElse(0));
    }

    private static List<Opening> openings(ToolFormat tools) {
        List<Opening> openings = new ArrayList<>();
        openings.add(opening(tools, tools.callBegin(), tools.call()));
        tools.variants().forEach(v -> openings.add(opening(tools, v.callBegin(), v.call())));
        return List.copyOf(openings);
    }

    private static Opening opening(ToolFormat tools, String callBegin, CallForm call) {
        return new Opening(
                new Literal(tools.sectionBegin() + callBegin),
                new Literal(tools.separator() + callBegin),
                call);
    }

    /// Returns the white space that the format puts between content and calls.
    String contentSeparator() {
        return tools.map(
                        t ->
                                t.contentSeparator()
                                        + MarkerText.leadingSpace(t.sectionBegin() + t.callBegin()))
                .orElse("");
    }

    /// Returns whether the end of the turn may stand at a place, if the answer ends soon.
    boolean mayEnd(Input in, int at) {
        for (End each : ends) {
            int end = each.literal().match(in.text(), at);
            if (end == Literal.MORE
                    || (end >= 0 && Literal.skipSpace(in.text(), end) == in.text().length())) {
                return true;
            }
        }
        return false;
    }

    /// Returns whether the answer, which is complete, has only the end of the turn from a place on.
    boolean ends(Input in, int at) {
        return ends.stream().anyMatch(end -> end.literal().matchesRest(in.text(), at));
    }

    /// Returns the white space that the format puts before such an end.
    String endSpace(Input in, int at) {
        return ends.stream()
                .filter(end -> end.literal().matchesRest(in.text(), at))
                .findFirst()
                .map(End::space)
                .orElse("");
    }
}
