// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.List;
import java.util.Optional;

/// A filter that ends a streamed text at the first stop string and withholds every part of it;
/// belongs to one request.
///
/// Text arrives in chunks of any size, and their boundaries change nothing: of all stop strings in
/// the text, the one that begins earliest ends it; at the same position, the first listed wins.
/// Only text that may still belong to the stop string is withheld: the longest suffix of the text
/// that begins one. A stop string that ends in a chunk that may not stop is text; one that begins
/// there counts. Each character costs a few steps per stop string.
public final class StopStrings {
    /// The result of one chunk of text.
    ///
    /// @param text the text that may be shown now
    /// @param stop the stop string that ended the text; no text follows
    public record Result(String text, Optional<String> stop) {}

    private static final Result NOTHING = new Result("", Optional.empty());
    private static final long NOWHERE = Long.MAX_VALUE;

    private final List<Search> searches;
    private final boolean include;
    private final StringBuilder held = new StringBuilder();
    private long released;
    private boolean stopped;

    /// Creates a filter for one text.
    ///
    /// @param stops the stop strings, none of them empty; an empty list passes all text
    /// @param include whether the stop string itself belongs to the text
    public StopStrings(List<String> stops, boolean include) {
        this.include = include;
        this.searches = stops.stream().map(Search::new).toList();
    }

    /// Accepts the next chunk and returns the text that may be shown; after a stop, returns no
    /// text.
    public Result push(String delta) {
        return push(delta, true);
    }

    /// As [#push(String)].
    ///
    /// @param mayStop whether a stop string that ends in this chunk ends the text
    public Result push(String delta, boolean mayStop) {
        if (stopped) {
            return NOTHING;
        }
        for (int i = 0; i < delta.length() && !searches.isEmpty(); i++) {
            held.append(delta.charAt(i));
            for (Search search : searches) {
                search.advance(delta.charAt(i), released + held.length(), mayStop);
            }
            Search first = first();
            if (first.found != NOWHERE) {
                return stop(first);
            }
        }
        return searches.isEmpty() ? new Result(delta, Optional.empty()) : release();
    }

    /// Ends the text and returns the withheld text, up to a stop string in it.
    public Result finish() {
        if (stopped) {
            return NOTHING;
        }
        Optional<Search> found =
                searches.stream()
                        .filter(search -> search.found != NOWHERE)
                        .reduce((best, other) -> other.found < best.found ? other : best);
        if (found.isPresent()) {
            return stop(found.get());
        }
        stopped = true;
        return new Result(held.toString(), Optional.empty());
    }

    /// Returns the search that begins earliest, found or still open; of equals, the first listed.
    private Search first() {
        Search first = searches.getFirst();
        for (Search search : searches) {
            if (search.begin() < first.begin()) {
                first = search;
            }
        }
        return first;
    }

    private Result stop(Search search) {
        stopped = true;
        int end = (int) (search.found - released) + (include ? search.stop.length() : 0);
        return new Result(held.substring(0, end), Optional.of(search.stop));
    }

    private Result release() {
        long begin = first().begin();
        int free = begin == NOWHERE ? held.length() : (int) (begin - released);
        String text = held.substring(0, free);
        held.delete(0, free);
        released += free;
        return new Result(text, Optional.empty());
    }

    /// The search for one stop string, with the algorithm of Knuth, Morris and Pratt.
    private static final class Search {
        private final String stop;
        private final int[] fallback;
        private int matched;
        private long open = NOWHERE;
        private long found = NOWHERE;

        Search(String stop) {
            if (stop.isEmpty()) {
                throw new IllegalArgumentException("a stop string is empty; leave it out");
            }
            this.stop = stop;
            fallback = new int[stop.length()];
            for (int i = 1; i < stop.length(); i++) {
                fallback[i] = longest(fallback[i - 1], stop.charAt(i));
            }
        }

        /// Returns where the stop string begins, or may still begin; a search ends at its first
        /// match.
        long begin() {
            return found != NOWHERE ? found : open;
        }

        void advance(char next, long textLength, boolean mayStop) {
            if (found != NOWHERE) {
                return;
            }
            matched = longest(matched, next);
            if (matched == stop.length() && !mayStop) {
                // Its end may begin another one.
                matched = fallback[matched - 1];
            }
            open = matched == 0 ? NOWHERE : textLength - matched;
            if (matched == stop.length()) {
                found = open;
            }
        }

        /// Returns the number of characters that match after `next`, given `count` before it.
        private int longest(int count, char next) {
            int length = count;
            while (length > 0 && stop.charAt(length) != next) {
                length = fallback[length - 1];
            }
            return stop.charAt(length) == next ? length + 1 : 0;
        }
    }
}
