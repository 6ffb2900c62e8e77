// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Takes one answer apart, however its text is cut: reasoning, content and tool calls.
///
/// All text reaches an event: what may be a marker is held back until it is known, and what looked
/// like a call and is none becomes content. Only markers and the white space that the format puts
/// around them are dropped. The time is linear in the text. One thread at a time uses a parser.
public final class ToolCallParser {
    private enum State {
        /// Before a part of the answer: white space, then perhaps an opening.
        PART,
        REASONING_BEGIN,
        REASONING,
        CONTENT,
        CALL,
        CALL_END,
        AFTER_CALL
    }

    /// How looking for a marker in running text went.
    private enum Found {
        NOTHING,
        PERHAPS,
        CLOSING,
        CALLS,
        END
    }

    private final FormatLiterals format;
    private final Map<String, JsonNode> functions;
    private final boolean constrained;
    private final Input in = new Input();
    private final List<AnswerEvent> events = new ArrayList<>();
    private State state;

    /// White space before a part, which is dropped if a marker follows.
    private final StringBuilder space = new StringBuilder();

    /// White space that the format puts here, still to be dropped.
    private String expectedSpace = "";

    /// Whether nothing of the answer was read: reasoning that the prompt opened may then close
    /// without text.
    private boolean first = true;

    private int calls;
    @Nullable private CallInProgress call;
    @Nullable private CallReader reader;

    /// Where a marker ends that was found, and of which form the call is that it begins.
    private int foundEnd;

    @Nullable private CallForm foundCall;

    /// @param functions the schemas of the parameters by the functions' names; calls of others are
    ///   content
    /// @param constrained whether a grammar keeps calls well formed: then arguments are passed on
    ///   as they come; otherwise a call when it is complete
    /// @param prompt the text that the answer continues: it may open the reasoning
    ToolCallParser(
            AnswerFormat format,
            Map<String, JsonNode> functions,
            boolean constrained,
            String prompt) {
        this.format = new FormatLiterals(format);
        this.functions = Map.copyOf(functions);
        this.constrained = constrained;
        boolean inReasoning = format.beginsWithReasoning(prompt);
        state = inReasoning ? State.REASONING_BEGIN : State.PART;
        expectedSpace =
                format.reasoning()
                        .map(r -> inReasoning ? r.opening() : r.closing())
                        .filter(marker -> prompt.endsWith(marker.stripTrailing()))
                        .map(MarkerText::trailingSpace)
                        .orElse("");
    }

    /// Reads the next piece of the answer and returns what it tells.
    public List<AnswerEvent> accept(String piece) {
        in.append(piece);
        return run();
    }

    /// Ends the answer and returns what was held back.
    public List<AnswerEvent> finish() {
        in.end();
        return run();
    }

    /// Returns whether what comes next is reasoning, unless a marker ends it.
    public boolean isReasoning() {
        return state == State.REASONING || state == State.REASONING_BEGIN;
    }

    private List<AnswerEvent> run() {
        boolean more = true;
        while (more) {
            more =
                    switch (state) {
                        case PART -> part();
                        case REASONING_BEGIN -> reasoningBegin();
                        case REASONING, CONTENT -> running();
                        case CALL -> call();
                        case CALL_END -> callEnd();
                        case AFTER_CALL -> afterCall();
                    };
        }
        List<AnswerEvent> told = List.copyOf(events);
        events.clear();
        return told;
    }

    /// Reads the beginning of a part; returns false where more text is needed.
    private boolean part() {
        while (!in.isEmpty() && Literal.isSpace(in.peek())) {
            space.append(in.take(in.at() + 1));
        }
        if (in.isEmpty()) {
            if (in.ended() && calls == 0) {
                content(spaceOfContent());
            }
            return false;
        }
        if (in.ended() && format.ends(in, in.at())) {
            if (calls == 0) {
                content(MarkerText.withoutSuffix(spaceOfContent(), format.endSpace(in, in.at())));
            }
            in.moveTo(in.text().length());
            return false;
        }
        return !opening();
    }

    /// Looks for the marker that opens a part; returns whether more text is needed to tell.
    private boolean opening() {
        int reasoning = match(format.reasoningOpening);
        int closing = first ? match(format.reasoningClosing) : Literal.NO;
        int content = Literal.NO;
        for (Literal each : format.contentOpenings) {
            int found = match(each);
            content = content >= 0 || found == Literal.NO ? content : found;
        }
        int calls = callOpening(in.at(), FormatLiterals.Opening::first);
        boolean perhaps =
                IntStream.of(reasoning, closing, content, calls)
                        .anyMatch(each -> each == Literal.MORE);
        if (!in.ended() && (perhaps || format.mayEnd(in, in.at()))) {
            return true;
        }
        first = false;
        if (reasoning >= 0) {
            ReasoningFormat opened = format.reasoning.orElseThrow();
            open(State.REASONING, reasoning, MarkerText.trailingSpace(opened.opening()));
        } else if (closing >= 0) {
            ReasoningFormat closed = format.reasoning.orElseThrow();
            open(State.PART, closing, MarkerText.trailingSpace(closed.closing()));
        } else if (content >= 0) {
            open(State.CONTENT, content, "");
        } else if (calls >= 0) {
            beginCall(spaceOfContent(), foundEnd);
        } else {
            content(spaceOfContent());
            state = State.CONTENT;
        }
        return false;
    }

    /// Looks for a text that begins a call; returns its end, [Literal#NO] or [Literal#MORE].
    private int callOpening(int at, Function<FormatLiterals.Opening, Literal> text) {
        int result = Literal.NO;
        for (FormatLiterals.Opening each : format.callOpenings) {
            int end = each.match(in, at, text.apply(each));
            if (end >= 0) {
                foundEnd = end;
                foundCall = each.call();
                return end;
            }
            result = end == Literal.MORE ? end : result;
        }
        return result;
    }

    private int match(Literal literal) {
        return literal.isEmpty() ? Literal.NO : literal.match(in.text(), in.at());
    }

    private void open(State next, int markerEnd, String spaceBehind) {
        in.moveTo(markerEnd);
        space.setLength(0);
        expectedSpace = spaceBehind;
        state = next;
    }

    /// Returns the white space before a part without what the format puts there.
    private String spaceOfContent() {
        int expected = 0;
        while (expected < Math.min(space.length(), expectedSpace.length())
                && space.charAt(expected) == expectedSpace.charAt(expected)) {
            expected++;
        }
        String kept = space.substring(expected);
        space.setLength(0);
        expectedSpace = "";
        return kept;
    }

    /// Passes an opening marker that the prompt has already.
    private boolean reasoningBegin() {
        int start = Literal.skipSpace(in.text(), in.at());
        int end = format.reasoningOpening.match(in.text(), start);
        if (end == Literal.MORE && !in.ended()) {
            return false;
        }
        if (end >= 0) {
            in.moveTo(end);
            expectedSpace = MarkerText.trailingSpace(format.reasoning.orElseThrow().opening());
        }
        state = State.REASONING;
        return true;
    }

    /// Reads reasoning or content up to a marker.
    private boolean running() {
        while (!expectedSpace.isEmpty() && !in.isEmpty()) {
            if (in.peek() != expectedSpace.charAt(0)) {
                expectedSpace = "";
            } else {
                in.moveTo(in.at() + 1);
                expectedSpace = expectedSpace.substring(1);
            }
        }
        CharSequence text = in.text();
        int at = in.at();
        int spaces = 0;
        Found found = Found.NOTHING;
        while (at < text.length()) {
            char c = text.charAt(at);
            found = Literal.isSpace(c) ? Found.NOTHING : find(at);
            if (found != Found.NOTHING) {
                break;
            }
            spaces = Literal.isSpace(c) ? spaces + 1 : 0;
            at++;
        }
        if (found == Found.NOTHING || found == Found.PERHAPS) {
            int held = in.ended() ? 0 : Math.min(spaces, format.heldSpace);
            pass(in.take(Math.max(in.at(), at - held)));
            return false;
        }
        String before = in.take(at);
        switch (found) {
            case CALLS -> {
                String kept = MarkerText.withoutSuffix(before, format.contentSeparator());
                pass(kept);
                beginCall(before.substring(kept.length()), foundEnd);
            }
            case END -> {
                pass(MarkerText.withoutSuffix(before, format.endSpace(in, at)));
                in.moveTo(text.length());
            }
            case CLOSING -> {
                if (state == State.REASONING) {
                    String closing = format.reasoning.orElseThrow().closing();
                    pass(MarkerText.withoutSuffix(before, MarkerText.leadingSpace(closing)));
                    expectedSpace = MarkerText.trailingSpace(closing);
                } else {
                    pass(before);
                }
                in.moveTo(foundEnd);
                state = State.PART;
            }
            case NOTHING, PERHAPS -> throw new IllegalStateException("nothing was found");
        }
        return true;
    }

    /// Looks for a marker that ends the running text at a place.
    private Found find(int at) {
        boolean perhaps = false;
        CharSequence text = in.text();
        if (state == State.REASONING) {
            int end = format.reasoningClosing.match(text, at);
            if (end >= 0) {
                foundEnd = end;
                return Found.CLOSING;
            }
            perhaps = end == Literal.MORE;
        } else {
            for (Literal closing : format.contentClosings) {
                int end = closing.match(text, at);
                if (end >= 0) {
                    foundEnd = end;
                    return Found.CLOSING;
                }
                perhaps |= end == Literal.MORE;
            }
            if (format.tools.filter(ToolFormat::anywhere).isPresent()) {
                int end = callOpening(at, FormatLiterals.Opening::first);
                if (end >= 0) {
                    return Found.CALLS;
                }
                perhaps |= end == Literal.MORE;
            }
        }
        if (in.ended()) {
            return format.ends(in, at) ? Found.END : Found.NOTHING;
        }
        return perhaps || format.mayEnd(in, at) ? Found.PERHAPS : Found.NOTHING;
    }

    private void pass(String text) {
        if (state == State.REASONING && !text.isEmpty()) {
            events.add(new AnswerEvent.Reasoning(text));
        } else {
            content(text);
        }
    }

    private void content(String text) {
        if (!text.isEmpty()) {
            events.add(new AnswerEvent.Content(text));
        }
    }

    /// Begins a call behind the marker that stands before it.
    ///
    /// @param dropped white space before the marker
    private void beginCall(String dropped, int markerEnd) {
        ToolFormat tools = format.tools.orElseThrow();
        call = new CallInProgress(calls, functions.keySet(), constrained, events::add);
        call.write(dropped);
        call.write(in.take(markerEnd));
        reader = CallReader.of(tools, Objects.requireNonNull(foundCall), functions);
        state = State.CALL;
    }

    private boolean call() {
        CallInProgress reading = Objects.requireNonNull(call);
        int start = in.at();
        Progress read = Objects.requireNonNull(reader).read(in, reading);
        reading.write(in.text().subSequence(start, in.at()));
        if (read == Progress.DONE) {
            state = State.CALL_END;
            return true;
        }
        if (read == Progress.FAILED || in.ended()) {
            abandon(reading);
            return true;
        }
        return false;
    }

    private void abandon(CallInProgress reading) {
        reading.abandon().ifPresentOrElse(this::content, () -> calls++);
        call = null;
        state = State.CONTENT;
    }

    private boolean callEnd() {
        CallInProgress reading = Objects.requireNonNull(call);
        int start = in.at();
        boolean cut = in.ended() && format.callEnd.isCutOff(in.text(), in.at());
        Progress passed = cut ? Progress.DONE : in.pass(format.callEnd);
        if (passed == Progress.MORE) {
            return false;
        }
        if (passed == Progress.FAILED) {
            abandon(reading);
            return true;
        }
        if (cut) {
            in.moveTo(in.text().length());
        }
        reading.write(in.text().subSequence(start, in.at()));
        reading.complete();
        calls++;
        call = null;
        state = State.AFTER_CALL;
        return true;
    }

    private boolean afterCall() {
        int start = Literal.skipSpace(in.text(), in.at());
        if (start == in.text().length() && !in.ended()) {
            return false;
        }
        int section =
                format.sectionEnd.isEmpty()
                        ? Literal.NO
                        : format.sectionEnd.match(in.text(), start);
        if (section >= 0 || (in.ended() && format.sectionEnd.isCutOff(in.text(), in.at()))) {
            in.moveTo(section >= 0 ? section : in.text().length());
            state = State.PART;
            return true;
        }
        if (!in.ended() && section == Literal.MORE) {
            return false;
        }
        int another = callOpening(start, FormatLiterals.Opening::next);
        if (another >= 0) {
            String dropped = in.take(start);
            beginCall(dropped, another);
            return true;
        }
        if (!in.ended() && another == Literal.MORE) {
            return false;
        }
        state = State.PART;
        return true;
    }
}
