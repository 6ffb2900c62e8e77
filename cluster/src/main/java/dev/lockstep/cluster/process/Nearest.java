// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.Collection;
import java.util.Optional;

/// A search for the name that a mistyped word was probably meant to be.
public final class Nearest {
    private Nearest() {}

    /// Returns the nearest name when one is near: at most a third of its letters, or two, differ.
    public static Optional<String> of(String wrong, Collection<String> names) {
        String best = "";
        int bestDistance = Integer.MAX_VALUE;
        for (String name : names) {
            int distance = name.startsWith(wrong) ? 1 : distance(wrong, name);
            if (distance < bestDistance) {
                best = name;
                bestDistance = distance;
            }
        }
        return bestDistance <= Math.max(2, best.length() / 3)
                ? Optional.of(best)
                : Optional.empty();
    }

    /// Returns Levenshtein's distance: insertions, deletions and replacements.
    private static int distance(String left, String right) {
        int[] row = new int[right.length() + 1];
        for (int j = 0; j <= right.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= left.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= right.length(); j++) {
                int replaced = diagonal + (left.charAt(i - 1) == right.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[right.length()];
    }
}
