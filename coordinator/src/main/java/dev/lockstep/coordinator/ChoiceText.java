package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.text.Detokenizer;
import dev.lockstep.text.StopStrings;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Turns the tokens of one choice into what may be shown of it; belongs to the thread of its
/// completion.
///
/// ```
/// tokens → detokenizer → stop strings → text
///           [0, produced)   [0, released)      in characters
/// ```
///
/// With stop strings a token is shown when its text begins before `released`; without, at once. A
/// token that may end the choice waits until the next event says whether it did, for then it is no
/// text.
final class ChoiceText {
    private final Sampling sampling;
    private final ServedModel model;
    private final Optional<Detokenizer> detokenizer;
    private final StopStrings stops;
    private final Set<Integer> endIds;
    private final Deque<Placed> hidden = new ArrayDeque<>();
    private Optional<GeneratedToken> lastWaits = Optional.empty();
    private Optional<Finish> finish = Optional.empty();
    private int produced;
    private int released;
    private int count;

    private record Placed(GeneratedToken token, int offset) {}

    ChoiceText(ServedModel model, Sampling sampling) {
        this.model = model;
        this.sampling = sampling;
        this.detokenizer =
                model.tokenizer()
                        .map(
                                text ->
                                        new Detokenizer(
                                                text,
                                                sampling.skipSpecialTokens(),
                                                Detokenizer.Start.CONTINUATION));
        this.stops = new StopStrings(sampling.stop(), sampling.includeStop());
        this.endIds = new HashSet<>(sampling.stopTokenIds());
        if (!sampling.ignoreEos()) {
            endIds.addAll(model.endIds());
        }
    }

    /// Takes the next token; after the end nothing comes back any more.
    Delta push(GeneratedToken token) {
        if (finish.isPresent()) {
            return Delta.NOTHING;
        }
        Delta before = lastWaits.map(this::show).orElse(Delta.NOTHING);
        lastWaits = Optional.empty();
        if (finish.isPresent()) {
            return before;
        }
        count++;
        if (endIds.contains(token.id())) {
            lastWaits = Optional.of(token);
            return before;
        }
        return before.and(show(token));
    }

    /// Ends the choice as the engine says.
    ///
    /// @param stopTokenId the id that stopped it, or negative
    Delta finish(boolean stopped, int stopTokenId) {
        if (finish.isPresent()) {
            return Delta.NOTHING;
        }
        Delta delta = Delta.NOTHING;
        if (lastWaits.isPresent()) {
            GeneratedToken last = lastWaits.get();
            boolean isEnd = stopped && last.id() == stopTokenId;
            if (isEnd && !sampling.includeStop()) {
                hidden.add(new Placed(last, produced));
            } else {
                delta = show(last);
            }
            lastWaits = Optional.empty();
        }
        if (finish.isPresent()) {
            return delta;
        }
        delta = delta.and(release(detokenizer.map(Detokenizer::finish).orElse("")));
        if (finish.isPresent()) {
            return delta;
        }
        StopStrings.Result rest = stops.finish();
        if (rest.stop().isPresent()) {
            return delta.and(stop(rest.text(), rest.stop().get()));
        }
        finish = Optional.of(reason(stopped, stopTokenId));
        return delta.and(new Delta(rest.text(), all()));
    }

    /// Set once the choice has ended.
    Optional<Finish> finish() {
        return finish;
    }

    /// Tokens that were generated up to the end.
    int tokenCount() {
        return count;
    }

    private Finish reason(boolean stopped, int stopTokenId) {
        if (!stopped) {
            return Finish.length();
        }
        return sampling.stopTokenIds().contains(stopTokenId)
                ? Finish.stopToken(stopTokenId)
                : Finish.endToken();
    }

    private Delta show(GeneratedToken token) {
        hidden.add(new Placed(token, produced));
        // An id beyond the tokenizer's own is a padded row of the output: it has no text.
        String text =
                model.isText(token.id())
                        ? detokenizer.map(each -> each.push(token.id())).orElse("")
                        : "";
        return release(text);
    }

    /// Lets text out as far as no stop string can claim it. Before `min_tokens` none is looked for.
    private Delta release(String text) {
        produced += characters(text);
        if (sampling.stop().isEmpty() || count <= sampling.minTokens()) {
            released = produced;
            return new Delta(text, all());
        }
        StopStrings.Result result = stops.push(text);
        if (result.stop().isPresent()) {
            return stop(result.text(), result.stop().get());
        }
        released += characters(result.text());
        return new Delta(result.text(), upTo(released));
    }

    private Delta stop(String text, String stop) {
        finish = Optional.of(Finish.stopString(stop));
        released += characters(text);
        List<Delta.Shown> tokens = new ArrayList<>(upTo(released));
        hidden.forEach(
                behind -> tokens.add(new Delta.Shown(behind.token(), behind.offset(), false)));
        hidden.clear();
        return new Delta(text, tokens);
    }

    private List<Delta.Shown> all() {
        return upTo(Integer.MAX_VALUE);
    }

    /// Shows the tokens whose text begins before `end`.
    private List<Delta.Shown> upTo(int end) {
        List<Delta.Shown> shown = new ArrayList<>();
        for (Placed next = hidden.peek(); next != null; next = hidden.peek()) {
            if (next.offset() >= end) {
                break;
            }
            shown.add(new Delta.Shown(next.token(), next.offset(), true));
            hidden.remove();
        }
        return shown;
    }

    private static int characters(String text) {
        return text.codePointCount(0, text.length());
    }
}
