package dev.lockstep.text;

import java.util.List;
import java.util.Optional;

/// Ends a streamed text at the first stop string, and lets no part of it out before; belongs to one
/// request.
///
/// Text comes in pieces of any size, and their borders change nothing: of all stop strings in the
/// text the one that begins earliest ends it, of those that begin at one place the first listed.
/// Held back is only what may still belong to the stop string: the longest end of the text that
/// begins one. Each character costs a few steps per stop string.
public final class StopStrings {
    /// What a piece of text came to.
    ///
    /// @param text what may be shown now
    /// @param stop the stop string that ended the text; then nothing more comes
    public record Result(String text, Optional<String> stop) {}

    private static final Result NOTHING = new Result("", Optional.empty());
    private static final long NOWHERE = Long.MAX_VALUE;

    private final List<Search> searches;
    private final boolean include;
    private final StringBuilder held = new StringBuilder();
    private long released;
    private boolean stopped;

    /// @param stops none of them empty; an empty list lets everything through
    /// @param include whether the stop string itself belongs to the text
    public StopStrings(List<String> stops, boolean include) {
        this.include = include;
        this.searches = stops.stream().map(Search::new).toList();
    }

    /// Takes the next piece of text; after a stop, nothing comes back any more.
    public Result push(String delta) {
        if (stopped) {
            return NOTHING;
        }
        for (int i = 0; i < delta.length() && !searches.isEmpty(); i++) {
            held.append(delta.charAt(i));
            for (Search search : searches) {
                search.advance(delta.charAt(i), released + held.length());
            }
            Search first = first();
            if (first.found != NOWHERE) {
                return stop(first);
            }
        }
        return searches.isEmpty() ? new Result(delta, Optional.empty()) : release();
    }

    /// Ends the text; what was held back comes out, unless a stop string is in it.
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

    /// The search that begins earliest, found or still open; of equals the first listed.
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

    /// The search for one stop string, by Knuth, Morris and Pratt.
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

        /// Where in the text the stop string begins, or may yet; a stop string that was found is
        /// only looked for once.
        long begin() {
            return found != NOWHERE ? found : open;
        }

        void advance(char next, long textLength) {
            if (found != NOWHERE) {
                return;
            }
            matched = longest(matched, next);
            open = matched == 0 ? NOWHERE : textLength - matched;
            if (matched == stop.length()) {
                found = open;
            }
        }

        /// How many characters match after `next`, when `count` did before it.
        private int longest(int count, char next) {
            int length = count;
            while (length > 0 && stop.charAt(length) != next) {
                length = fallback[length - 1];
            }
            return stop.charAt(length) == next ? length + 1 : 0;
        }
    }
}
