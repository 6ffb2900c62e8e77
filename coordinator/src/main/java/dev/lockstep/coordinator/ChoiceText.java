// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.text.Detokenizer;
import dev.lockstep.text.StopStrings;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Converts the tokens of one choice to the text and tokens that may be sent. Confined to the
/// thread of its completion.
///
/// ```
/// tokens → detokenizer → stop strings → text
///           [0, produced)   [0, released)      in characters
/// ```
///
/// With stop strings a token is released when its text begins before `released`; without, at once.
/// A token that may end the choice is held back until the next event says whether it did, because
/// an end token is not part of the text.
final class ChoiceText {
    private final Sampling sampling;
    private final ServedModel model;
    private final Optional<Detokenizer> detokenizer;
    private final StopStrings stops;
    private final Set<Integer> endIds;
    private final Set<Integer> shownSpecials;
    private final Deque<Placed> withheld = new ArrayDeque<>();
    private Optional<GeneratedToken> possibleEnd = Optional.empty();
    private Optional<Finish> finish = Optional.empty();
    private int produced;
    private int released;
    private int count;

    private record Placed(GeneratedToken token, int offset) {}

    /// @param endIds of the request, [Sampling#endIds()]
    /// @param shownSpecials special tokens with text, also where the request skips special tokens
    ChoiceText(
            ServedModel model, Sampling sampling, Set<Integer> endIds, Set<Integer> shownSpecials) {
        this.model = model;
        this.sampling = sampling;
        this.detokenizer =
                model.tokenizer()
                        .map(text -> new Detokenizer(text, false, Detokenizer.Start.CONTINUATION));
        this.stops = new StopStrings(sampling.stop(), sampling.includeStop());
        this.endIds = endIds;
        this.shownSpecials = shownSpecials;
    }

    /// Adds the next token; after the end of the choice all deltas are empty.
    Delta push(GeneratedToken token) {
        if (finish.isPresent()) {
            return Delta.EMPTY;
        }
        Delta before = possibleEnd.map(this::show).orElse(Delta.EMPTY);
        possibleEnd = Optional.empty();
        if (finish.isPresent()) {
            return before;
        }
        count++;
        if (endIds.contains(token.id())) {
            possibleEnd = Optional.of(token);
            return before;
        }
        return before.and(show(token));
    }

    /// Ends the choice when the engine has ended it.
    ///
    /// @param stopTokenId the id that stopped it, or negative
    Delta finish(boolean stopped, int stopTokenId) {
        if (finish.isPresent()) {
            return Delta.EMPTY;
        }
        Delta delta = Delta.EMPTY;
        if (possibleEnd.isPresent()) {
            GeneratedToken last = possibleEnd.get();
            boolean isEnd = stopped && last.id() == stopTokenId;
            if (isEnd && !sampling.includeStop()) {
                withheld.add(new Placed(last, produced));
            } else {
                delta = show(last);
            }
            possibleEnd = Optional.empty();
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

    /// Returns why the choice ended; empty while it runs.
    Optional<Finish> finish() {
        return finish;
    }

    /// Returns the number of tokens generated up to the end.
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
        int id = token.id();
        // An id beyond the tokenizer's vocabulary is a padded row of the output, without text.
        Optional<Detokenizer> decoder =
                model.isText(id) && !isHidden(id) ? detokenizer : Optional.empty();
        int broken = decoder.map(each -> each.brokenCharacters(id)).orElse(0);
        withheld.add(new Placed(token, produced + broken));
        return release(decoder.map(each -> each.push(id)).orElse(""));
    }

    private boolean isHidden(int id) {
        return sampling.skipSpecialTokens() && model.isSpecial(id) && !shownSpecials.contains(id);
    }

    /// Releases text that cannot be part of a stop string. Only those that end after `min_tokens`
    /// count.
    private Delta release(String text) {
        produced += characters(text);
        if (sampling.stop().isEmpty()) {
            released = produced;
            return new Delta(text, all());
        }
        StopStrings.Result result = stops.push(text, count > sampling.minTokens());
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
        withheld.forEach(each -> tokens.add(new Delta.Shown(each.token(), each.offset(), false)));
        withheld.clear();
        return new Delta(text, tokens);
    }

    private List<Delta.Shown> all() {
        return upTo(Integer.MAX_VALUE);
    }

    /// Releases the tokens whose text begins before `end`.
    private List<Delta.Shown> upTo(int end) {
        List<Delta.Shown> shown = new ArrayList<>();
        for (Placed next = withheld.peek(); next != null; next = withheld.peek()) {
            if (next.offset() >= end) {
                break;
            }
            shown.add(new Delta.Shown(next.token(), next.offset(), true));
            withheld.remove();
        }
        return shown;
    }

    private static int characters(String text) {
        return text.codePointCount(0, text.length());
    }
}
