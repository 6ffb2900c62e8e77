// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.TextMatcher;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/// Where a text leaves a constraint.
///
/// @param accepted the text up to there
/// @param refused what cannot follow; empty where the text must not end yet
/// @param by the unit that was refused
record Departure(String accepted, String refused, String by) {
    private static final int LONGEST = 80;

    static Optional<Departure> of(CompiledGrammar compiled, String text) {
        CharsetEncoder utf8 = StandardCharsets.UTF_8.newEncoder();
        if (!utf8.canEncode(text)) {
            return Optional.of(new Departure("", text, "not Unicode text"));
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        TextMatcher matcher = compiled.text();
        int count = matcher.accept(bytes);
        if (count == bytes.length) {
            return matcher.mayEnd()
                    ? Optional.empty()
                    : Optional.of(new Departure(text, "", "the end"));
        }
        while ((bytes[count] & 0xC0) == 0x80) {
            count--;
        }
        int length = new String(bytes, 0, count, StandardCharsets.UTF_8).length();
        return Optional.of(
                new Departure(text.substring(0, length), text.substring(length), "character"));
    }

    /// `{"at", "accepted", "refused", "by"}`; `at` counts characters.
    void putTo(ObjectNode node) {
        int length = accepted.length();
        node.put("at", accepted.codePointCount(0, length));
        node.put("accepted", length <= LONGEST ? accepted : "…" + accepted.substring(cut(length)));
        node.put(
                "refused",
                refused.codePointCount(0, refused.length()) <= LONGEST
                        ? refused
                        : refused.substring(0, refused.offsetByCodePoints(0, LONGEST)) + "…");
        node.put("by", by);
    }

    private int cut(int length) {
        int from = length - LONGEST;
        return Character.isLowSurrogate(accepted.charAt(from)) ? from + 1 : from;
    }
}
