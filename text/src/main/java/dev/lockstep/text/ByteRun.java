// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A run of adjacent byte tokens: characters if all of it is UTF-8, otherwise one U+FFFD per byte.
/// Belongs to one thread.
///
/// An eager run returns each character as soon as it is complete, so that a text in a script that
/// the vocabulary spells in bytes streams; if the run turns out not to be UTF-8, those characters
/// stay, and only the bytes after them become U+FFFD. A patient run returns its text at its end.
final class ByteRun {
    private final boolean patient;
    private final Utf8Stream utf8 = new Utf8Stream();
    private final StringBuilder held = new StringBuilder();
    private int bytes;
    private int unfinished;
    private boolean broken;

    ByteRun(boolean patient) {
        this.patient = patient;
    }

    /// Adds a byte and returns the text that it completes.
    String push(byte next) {
        bytes++;
        unfinished++;
        if (!broken && utf8.accepts(next)) {
            utf8.push(next, held);
            if (utf8.isIncomplete()) {
                return "";
            }
            unfinished = 0;
        } else {
            broken = true;
        }
        return patient ? "" : take();
    }

    /// Ends the run and returns the rest of its text.
    String finish() {
        broken |= unfinished > 0;
        if (patient && broken) {
            held.setLength(0);
            unfinished = bytes;
        }
        String rest = take();
        utf8.reset();
        bytes = 0;
        broken = false;
        return rest;
    }

    /// Returns the number of bytes of an incomplete character.
    int unfinished() {
        return unfinished;
    }

    /// Returns the number of bytes of a character that the next byte leaves incomplete.
    int brokenBy(byte next) {
        return broken || utf8.accepts(next) ? 0 : unfinished;
    }

    boolean isEmpty() {
        return bytes == 0;
    }

    private String take() {
        if (broken) {
            held.repeat(Utf8Stream.REPLACEMENT, unfinished);
            unfinished = 0;
        }
        String text = held.toString();
        held.setLength(0);
        return text;
    }
}
