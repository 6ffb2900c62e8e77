// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import dev.lockstep.grammar.Regex;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/// Turns patterns into regular languages of spelled code points.
///
/// A part that looks around is read together with all that follows it: a look ahead is the
/// intersection of the rest with what it asks for, an end is the rest cut to the empty text. What a
/// part may know of the text before it is one of three things, so the rest is made for each.
final class PatternLanguage {
    private enum Before {
        START,
        WORD,
        OTHER
    }

    /// All that follows a part, for what may stand before it.
    private abstract static class Rest {
        private final Map<Before, Regex> made = new EnumMap<>(Before.class);

        final Regex after(Before before) {
            Regex known = made.get(before);
            if (known == null) {
                known = make(before);
                made.put(before, known);
            }
            return known;
        }

        abstract Regex make(Before before);

        static Rest of(Regex regex) {
            return new Rest() {
                @Override
                Regex make(Before before) {
                    return regex;
                }
            };
        }
    }

    private final Alphabet alphabet;
    private final Regex one;
    private final Regex any;

    PatternLanguage(Alphabet alphabet) {
        this.alphabet = alphabet;
        this.one = alphabet.of(CodePoints.ALL);
        this.any = Language.repeat(one, 0, Regex.UNBOUNDED);
    }

    /// The texts that the pattern matches as a whole.
    Regex whole(Pattern pattern) {
        return language(pattern, Rest.of(Language.EMPTY)).after(Before.START);
    }

    /// The texts with a match anywhere.
    Regex containing(Pattern pattern) {
        Rest match = language(pattern, Rest.of(any));
        Regex atStart = match.after(Before.START);
        Regex afterWord = match.after(Before.WORD);
        Regex afterOther = match.after(Before.OTHER);
        if (atStart.equals(afterWord) && atStart.equals(afterOther)) {
            if (atStart.equals(any)) {
                return any;
            }
            return Language.sequence(any, atStart);
        }
        if (afterWord.equals(afterOther)) {
            return Language.union(atStart, Language.sequence(any, one, afterWord));
        }
        return Language.union(
                atStart,
                Language.sequence(any, alphabet.of(CodePoints.WORD), afterWord),
                Language.sequence(any, alphabet.of(CodePoints.WORD.complement()), afterOther));
    }

    private Rest language(Pattern pattern, Rest rest) {
        if (!pattern.looksAround()) {
            Regex plain = plain(pattern);
            return new Rest() {
                @Override
                Regex make(Before before) {
                    return follow(plain, before, rest);
                }
            };
        }
        return switch (pattern) {
            case Pattern.Characters _ -> throw new IllegalStateException();
            case Pattern.Sequence(List<Pattern> items) -> {
                Rest all = rest;
                for (Pattern item : runs(items).reversed()) {
                    all = language(item, all);
                }
                yield all;
            }
            case Pattern.Alternatives(List<Pattern> options) -> {
                List<Rest> each = options.stream().map(o -> language(o, rest)).toList();
                yield new Rest() {
                    @Override
                    Regex make(Before before) {
                        return Language.union(each.stream().map(r -> r.after(before)).toList());
                    }
                };
            }
            case Pattern.Repeat(Pattern item, int min, int max) -> unrolled(item, min, max, rest);
            case Pattern.Ahead(Pattern ahead, boolean negated) -> {
                Rest asked = language(ahead, Rest.of(any));
                yield new Rest() {
                    @Override
                    Regex make(Before before) {
                        Regex ask = asked.after(before);
                        return Language.intersection(
                                rest.after(before), negated ? Language.complement(ask) : ask);
                    }
                };
            }
            case Pattern.Place place ->
                    new Rest() {
                        @Override
                        Regex make(Before before) {
                            return at(place, before, rest.after(before));
                        }
                    };
        };
    }

    /// The items with neighbours that do not look around as one.
    private static List<Pattern> runs(List<Pattern> items) {
        var result = new ArrayList<Pattern>();
        var run = new ArrayList<Pattern>();
        for (Pattern item : items) {
            if (!item.looksAround()) {
                run.add(item);
                continue;
            }
            if (!run.isEmpty()) {
                result.add(new Pattern.Sequence(List.copyOf(run)));
                run.clear();
            }
            result.add(item);
        }
        if (!run.isEmpty()) {
            result.add(new Pattern.Sequence(run));
        }
        return result;
    }

    private Regex at(Pattern.Place place, Before before, Regex rest) {
        return switch (place) {
            case START -> before == Before.START ? rest : Language.NOTHING;
            case END -> Language.holdsEmpty(rest) ? Language.EMPTY : Language.NOTHING;
            case WORD_BORDER -> beside(rest, before != Before.WORD);
            case NO_WORD_BORDER -> beside(rest, before == Before.WORD);
        };
    }

    /// The rest where it begins with a word's character, or where it does not.
    private Regex beside(Regex rest, boolean word) {
        Regex begins = Language.sequence(alphabet.of(CodePoints.WORD), any);
        return Language.intersection(rest, word ? begins : Language.complement(begins));
    }

    private Regex follow(Regex plain, Before before, Rest rest) {
        Regex afterWord = rest.after(Before.WORD);
        Regex afterOther = rest.after(Before.OTHER);
        if (afterWord.equals(any) && afterOther.equals(any) && Language.holdsEmpty(plain)) {
            return any; // What stands before is any text as well.
        }
        Regex unmoved = Language.holdsEmpty(plain) ? rest.after(before) : Language.NOTHING;
        if (afterWord.equals(afterOther)) {
            if (afterWord.equals(unmoved) || !Language.holdsEmpty(plain)) {
                return Language.sequence(plain, afterWord);
            }
            Regex moved = Language.intersection(plain, Language.sequence(one, any));
            return Language.union(unmoved, Language.sequence(moved, afterWord));
        }
        Regex word = alphabet.of(CodePoints.WORD);
        Regex other = alphabet.of(CodePoints.WORD.complement());
        return Language.union(
                unmoved,
                Language.sequence(
                        Language.intersection(plain, Language.sequence(any, word)), afterWord),
                Language.sequence(
                        Language.intersection(plain, Language.sequence(any, other)), afterOther));
    }

    /// The parser has bounded `max`.
    private Rest unrolled(Pattern item, int min, int max, Rest rest) {
        Rest all = rest;
        for (int i = max; i > 0; i--) {
            Rest next = language(item, all);
            if (i > min) {
                Rest skip = rest;
                all =
                        new Rest() {
                            @Override
                            Regex make(Before before) {
                                return Language.union(skip.after(before), next.after(before));
                            }
                        };
            } else {
                all = next;
            }
        }
        return all;
    }

    private Regex plain(Pattern pattern) {
        return switch (pattern) {
            case Pattern.Characters(CodePoints set) ->
                    set.isEmpty() ? Language.NOTHING : alphabet.of(set);
            case Pattern.Sequence(List<Pattern> items) ->
                    Language.sequence(items.stream().map(this::plain).toList());
            case Pattern.Alternatives(List<Pattern> options) -> {
                var all = new ArrayList<Regex>();
                options.forEach(option -> all.add(plain(option)));
                yield Language.union(all);
            }
            case Pattern.Repeat(Pattern item, int min, int max) ->
                    Language.repeat(plain(item), min, max);
            case Pattern.Ahead _ -> throw new IllegalStateException();
            case Pattern.Place _ -> throw new IllegalStateException();
        };
    }
}
