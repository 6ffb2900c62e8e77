// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// A sorter that puts long runs of combining marks into Unicode's canonical order, so that
/// normalizing them is linear.
///
/// The JDK's normalizer inserts each mark at its position, which is quadratic in a run: 100,000
/// marks take ten seconds. A run that is already in order costs it nothing. Only the order changes,
/// so every normal form stays the same.
final class CanonicalOrder {
    /// The longest run that is left to the JDK; runs in any writing system are far shorter.
    private static final int SHORT_RUN = 64;

    /// The mark of the highest combining class; [#LOWEST] is one of the lowest non-zero class.
    private static final String HIGHEST = "\u0345";

    private static final String LOWEST = "\u0334";

    private CanonicalOrder() {}

    static String of(String text) {
        StringBuilder result = null;
        int done = 0;
        for (int i = 0; i < text.length(); ) {
            int end = marksEnd(text, i);
            if (end - i > SHORT_RUN) {
                result = result == null ? new StringBuilder(text.length()) : result;
                result.append(text, done, i);
                append(text.substring(i, end), result);
                done = end;
            }
            i = end == i ? i + Character.charCount(text.codePointAt(i)) : end;
        }
        return result == null ? text : result.append(text, done, text.length()).toString();
    }

    private static int marksEnd(String text, int from) {
        int end = from;
        while (end < text.length()) {
            int codePoint = text.codePointAt(end);
            if (!Characters.is(codePoint, Characters.MARK)) {
                break;
            }
            end += Character.charCount(codePoint);
        }
        return end;
    }

    /// Appends the run with each stretch between immovable marks sorted; equal classes keep their
    /// order.
    private static void append(String run, StringBuilder result) {
        List<String> marks = new ArrayList<>();
        Map<String, String> decomposed = new HashMap<>();
        run.codePoints()
                .mapToObj(Character::toString)
                .map(mark -> decomposed.computeIfAbsent(mark, CanonicalOrder::normalize))
                .forEach(
                        text ->
                                text.codePoints()
                                        .mapToObj(Character::toString)
                                        .forEach(marks::add));
        Map<String, Integer> ranks = ranks(marks.stream().distinct().toList());
        List<List<String>> buckets = new ArrayList<>();
        ranks.values().forEach(rank -> buckets.add(new ArrayList<>()));
        for (String mark : marks) {
            int rank = ranks.getOrDefault(mark, FIXED);
            if (rank == FIXED) {
                flush(buckets, result);
                result.append(mark);
            } else {
                buckets.get(rank).add(mark);
            }
        }
        flush(buckets, result);
    }

    private static final int FIXED = -1;

    private static void flush(List<List<String>> buckets, StringBuilder result) {
        for (List<String> bucket : buckets) {
            bucket.forEach(result::append);
            bucket.clear();
        }
    }

    /// Returns the rank of each movable mark by its combining class; equal classes share a rank.
    private static Map<String, Integer> ranks(List<String> marks) {
        List<String> moving =
                marks.stream()
                        .filter(CanonicalOrder::moves)
                        .sorted(CanonicalOrder::compare)
                        .toList();
        Map<String, Integer> ranks = new HashMap<>();
        int rank = 0;
        for (int i = 0; i < moving.size(); i++) {
            if (i > 0 && compare(moving.get(i - 1), moving.get(i)) != 0) {
                rank++;
            }
            ranks.put(moving.get(i), rank);
        }
        return ranks;
    }

    private static boolean moves(String mark) {
        return swaps(HIGHEST, mark) || swaps(mark, LOWEST);
    }

    private static int compare(String left, String right) {
        if (swaps(left, right)) {
            return 1;
        }
        return swaps(right, left) ? -1 : 0;
    }

    /// Returns whether the second mark has the lower class; the JDK exposes classes in no other
    /// way.
    private static boolean swaps(String first, String second) {
        return !first.equals(second) && normalize(first + second).equals(second + first);
    }

    private static String normalize(String text) {
        return Normalizer.normalize(text, Normalizer.Form.NFD);
    }
}
