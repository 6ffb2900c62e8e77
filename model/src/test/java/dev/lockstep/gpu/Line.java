// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import java.util.Optional;

/// A line that a process of the check prints about itself, among lines of the libraries it uses.
///
/// @param text a value, a reason or a time; may be empty
record Line(Kind kind, String name, String text) {
    private static final String START = "@gpu-check";

    enum Kind {
        FACT,
        CLASS,
        STARTED,
        PASSED,
        SKIPPED,
        FAILED
    }

    static String of(Kind kind, String name, String text) {
        return String.join("\t", START, kind.name(), plain(name), plain(text));
    }

    static Optional<Line> parse(String line) {
        String[] parts = line.split("\t", -1);
        return parts.length == 4 && parts[0].equals(START)
                ? Optional.of(new Line(Kind.valueOf(parts[1]), parts[2], parts[3]))
                : Optional.empty();
    }

    private static String plain(String text) {
        return text.replaceAll("\\s+", " ").strip();
    }
}
