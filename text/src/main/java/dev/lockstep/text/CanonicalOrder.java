package dev.lockstep.text;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Puts long runs of combining marks into Unicode's canonical order, so that normalizing them is
/// linear.
///
/// The JDK's normalizer inserts each mark at its place, which is quadratic in a run: 100,000 marks
/// take ten seconds. A run that is in order already costs it nothing. Only the order changes, so
/// every normal form stays the same.
final class CanonicalOrder {
    /// No writing system comes near: runs up to here are left to the JDK.
    private static final int SHORT_RUN = 64;

    /// The mark of the highest and one of the lowest combining class.
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

    /// Sorts each stretch of the run between marks that never move; equal classes keep their order.
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
                empty(buckets, result);
                result.append(mark);
            } else {
                buckets.get(rank).add(mark);
            }
        }
        empty(buckets, result);
    }

    private static final int FIXED = -1;

    private static void empty(List<List<String>> buckets, StringBuilder result) {
        for (List<String> bucket : buckets) {
            bucket.forEach(result::append);
            bucket.clear();
        }
    }

    /// The place of each mark that moves, by its class; equal classes share one.
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

    /// Whether the second is of a lower class; the JDK shows classes in no other way.
    private static boolean swaps(String first, String second) {
        return !first.equals(second) && normalize(first + second).equals(second + first);
    }

    private static String normalize(String text) {
        return Normalizer.normalize(text, Normalizer.Form.NFD);
    }
}
